"""The commands that decide who may take part: `init`, `token create`, `revoke`, `rotate`."""

import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import check_name
from limbeck_common.security.certificates import fingerprint
from limbeck_common.security.tokens import Token
from limbeck_common.support.address import read_host
from limbeck_common.support.cli import dialled
from limbeck_common.support.disk import put, writing
from limbeck_server.cli.options import TLS
from limbeck_server.pki.folder import TlsFolder

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """Return the seconds of a duration such as 90s, 15m, 1h or 7d."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if not found:
        raise click.BadParameter(f"{text!r}; expected a number and s, m, h or d, e.g. 1h")
    return int(found[1]) * _UNITS[found[2]]


def _hosts(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return host names and addresses as certificates spell them; SettingsError for anything else."""
    return tuple(map(read_host, texts))


_HOSTS: dict[str, Any] = {"multiple": True, "metavar": "NAME", "callback": _hosts}
_EXPIRES = click.option(
    "--expires",
    metavar="DURATION",
    default="1h",
    show_default=True,
    callback=_seconds,
    help="How long a token is valid: a number and s, m, h or d.",
)


@click.command()
@TLS
@click.option("--host", "hosts", **_HOSTS, help="Name or address under which clients reach the server. Repeatable.")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="Also create a token for NAME. Repeatable.")
@click.option("--tokens", type=click.Path(path_type=Path), help="Folder for those tokens, one file each.")
@_EXPIRES
def init(folder: Path, hosts: tuple[str, ...], clients: tuple[str, ...], tokens: Path | None, expires: int) -> None:
    """Create the certificate authority and certificates, once.

    The server's certificate is for every --host, this machine's name and loopback; the operator's is what `status`,
    `watch` and the other commands use on this machine. Run again, it changes none of them.
    """
    tls = TlsFolder(folder)
    if tls.initialised:
        tls.check_hosts(hosts)
        click.echo(f"{folder} is initialised already; `limbeck-server rotate` renews its certificates")
    else:
        tls.init(hosts, [socket.gethostname()])
        click.echo(f"{folder}: a new certificate authority, SHA-256 {fingerprint(tls.ca().certificate)}")
    for name in clients:
        line = str(_new_token(folder, name, "client", expires, None))
        if tokens is None:
            click.echo(line)
        else:
            _write_secret(tokens / name, line + "\n")


@click.group()
def token() -> None:
    """Create enrolment tokens.

    A token lets one participant fetch its certificate, once.
    """


@token.command()
@TLS
@click.option("--name", required=True, help="Name of the participant in the federation.")
@click.option(
    "--role",
    default="client",
    show_default=True,
    type=click.Choice(["client", "operator"]),
    help="Whether it is for a client or for another operator.",
)
@_EXPIRES
@click.option(
    "--address",
    metavar="HOST:PORT",
    callback=dialled,
    help="Address of the enrolment port.  [default: init's first --host, and the daemon's port]",
)
def create(folder: Path, name: str, role: str, expires: int, address: str | None) -> None:
    """Print a token: one line, for `limbeck-client enroll`.

    It is a secret until it is used: hand it over in confidence.
    """
    click.echo(str(_new_token(folder, name, role, expires, address)))


@click.command()
@TLS
@click.argument("name")
def revoke(folder: Path, name: str) -> None:
    """Revoke all certificates and unused tokens of NAME.

    A running daemon refuses NAME from its next call on.
    """
    with TlsFolder(folder).registry() as registry:
        certificates, tokens = registry.revoke(name)
    if not certificates and not tokens:
        raise SettingsError(f"nothing to revoke: {name} has no valid certificate and no unused token in {folder}")
    click.echo(f"{name}: revoked {certificates} certificate(s), cancelled {tokens} token(s)")


@click.command()
@TLS
@click.option(
    "--host", "hosts", **_HOSTS, help="Name or address of the server, instead of all former ones. Repeatable."
)
def rotate(folder: Path, hosts: tuple[str, ...]) -> None:
    """Renew the certificates of the server and its operator.

    Their keys are new; the authority stays, so that clients need no new certificates. Restart the daemon afterwards.
    """
    named = TlsFolder(folder).rotate(hosts)
    click.echo(f"{folder}: a new server certificate for {', '.join(named)}; restart the daemon to use it")


def _new_token(folder: Path, name: str, role: str, seconds: int, address: str | None) -> Token:
    made = TlsFolder(folder).new_token(check_name(name), role, seconds, address)
    until = datetime.fromtimestamp(made.expires, UTC).astimezone()
    click.echo(f"token for {role} {name}: valid until {until:%Y-%m-%d %H:%M:%S %Z}, at {made.address}", err=True)
    return made


def _write_secret(path: Path, text: str) -> None:
    with writing(path.parent, "--tokens"):
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, text.encode(), secret=True)
