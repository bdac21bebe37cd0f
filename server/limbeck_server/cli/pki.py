"""`limbeck-server init`, `token create`, `revoke`, `rotate`: who may take part."""

import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from limbeck_common.support.address import read_host
from limbeck_common.support.cli import dialled

TLS = click.option(
    "--tls",
    "folder",
    default="limbeck-tls",
    show_default=True,
    envvar="LIMBECK_TLS__FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the certificates.",
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """Return the seconds of a time such as 90s, 15m, 1h or 7d."""
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise click.BadParameter(f"{text!r}; expected a number and s, m, h or d, e.g. 1h")
    return int(found[1]) * _UNITS[found[2]]


def _hosts(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return host names and addresses as a certificate has them; SettingsError for what is none."""
    return tuple(map(read_host, texts))


_HOSTS: dict[str, Any] = {"multiple": True, "metavar": "NAME", "callback": _hosts}
_EXPIRES = click.option(
    "--expires", default="1h", show_default=True, callback=_seconds, help="How long a token is good."
)


@click.command()
@TLS
@click.option("--host", "hosts", **_HOSTS, help="Name or address that clients dial. Repeatable.")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="Make a token for it, too. Repeatable.")
@click.option("--tokens", type=click.Path(path_type=Path), help="Folder for those tokens, one file each.")
@_EXPIRES
def init(folder: Path, hosts: tuple[str, ...], clients: tuple[str, ...], tokens: Path | None, expires: int) -> None:
    """Make the federation's certificate authority, the server's certificate and the operator's, once."""
    from limbeck_common.security.certificates import fingerprint  # noqa: PLC0415 - help answers at once
    from limbeck_server.pki.folder import TlsFolder  # noqa: PLC0415

    tls = TlsFolder(folder)
    if tls.initialised:
        click.echo(f"{folder} is initialised already; `limbeck-server rotate` makes new certificates")
    else:
        tls.init(hosts, [socket.gethostname()])
        click.echo(f"{folder}: a certificate authority, SHA-256 {fingerprint(tls.ca().certificate)}")
    for name in clients:
        line = str(_make_token(folder, name, "client", expires, None))
        if tokens is None:
            click.echo(line)
        else:
            _write_secret(tokens / name, line + "\n")


@click.group()
def token() -> None:
    """Tokens: each makes a stranger a participant, once."""


@token.command()
@TLS
@click.option("--name", required=True, help="The participant's name in the federation.")
@click.option("--role", default="client", show_default=True, type=click.Choice(["client", "operator"]))
@_EXPIRES
@click.option(
    "--address",
    metavar="HOST:PORT",
    callback=dialled,
    help="Where to enrol.  [default: init's first host, the daemon's port]",
)
def create(folder: Path, name: str, role: str, expires: int, address: str | None) -> None:
    """Print a token, one line, for `limbeck-client enroll`. Hand it over in confidence."""
    click.echo(str(_make_token(folder, name, role, expires, address)))


@click.command()
@TLS
@click.argument("name")
def revoke(folder: Path, name: str) -> None:
    """Take back all certificates and open tokens of NAME. A running daemon refuses them from its next call on."""
    from limbeck_common.core.errors import SettingsError  # noqa: PLC0415 - help answers at once
    from limbeck_server.pki.folder import TlsFolder  # noqa: PLC0415

    with TlsFolder(folder).registry() as registry:
        certificates, tokens = registry.revoke(name)
    if not certificates and not tokens:
        raise SettingsError(f"nothing to revoke: {name} has no certificate or open token in {folder}")
    click.echo(f"{name}: revoked {certificates} certificate(s), cancelled {tokens} token(s)")


@click.command()
@TLS
@click.option("--host", "hosts", **_HOSTS, help="In place of the former names. Repeatable.")
def rotate(folder: Path, hosts: tuple[str, ...]) -> None:
    """Make new keys and certificates for the server and its operator. Then restart the daemon."""
    from limbeck_server.pki.folder import TlsFolder  # noqa: PLC0415 - help answers at once

    named = TlsFolder(folder).rotate(hosts)
    click.echo(f"{folder}: a new server certificate for {', '.join(named)}; restart the daemon to use it")


def _make_token(folder: Path, name: str, role: str, seconds: int, address: str | None) -> object:
    from limbeck_common.core.spec import check_name  # noqa: PLC0415 - help answers at once
    from limbeck_server.pki.folder import TlsFolder  # noqa: PLC0415

    made = TlsFolder(folder).new_token(check_name(name), role, seconds, address)
    until = datetime.fromtimestamp(made.expires, UTC).astimezone()
    click.echo(f"for {role} {name}, until {until:%Y-%m-%d %H:%M:%S %Z}, to use at {made.address}", err=True)
    return made


def _write_secret(path: Path, text: str) -> None:
    from limbeck_common.support.disk import put, writing  # noqa: PLC0415 - help answers at once

    with writing(path.parent, "--tokens"):
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, text.encode(), secret=True)
