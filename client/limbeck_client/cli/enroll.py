"""`limbeck-client enroll`: exchange a token for a certificate."""

import sys
from pathlib import Path

import click

from limbeck_client import enrolment
from limbeck_client.join import state_folder
from limbeck_common.security.certificates import fingerprint
from limbeck_common.security.tokens import read_token
from limbeck_common.support.cli import run_async


@click.command()
@click.argument("line", metavar="TOKEN")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    help="Folder for the certificate and its key.  [default: limbeck-client/NAME/credentials]",
)
def enroll(line: str, credentials: Path | None) -> None:
    """Exchange TOKEN for a certificate, once.

    TOKEN is the line that `limbeck-server token create` printed, or - to read it from standard input. The private key
    is made here and stays here. `join` finds both by the client's name.
    """
    token = read_token(sys.stdin.readline() if line == "-" else line)
    folder = credentials or state_folder(token.name) / "credentials"
    run_async(enrolment.enroll(token, folder))
    click.echo(f"{token.role} {token.name}: credentials in {folder}, issued by the authority {fingerprint(token.ca)}")
