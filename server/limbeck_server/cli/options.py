"""Options that several commands share: the folder of the certificates, and the daemon to talk to."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from limbeck_common.support.cli import dialled
from limbeck_common.support.logs import set_up_logs

TLS = click.option(
    "--tls",
    "folder",
    default="limbeck-tls",
    show_default=True,
    envvar="LIMBECK_TLS__FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the certificates.",
)
_SERVER = click.option(
    "--server",
    "address",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    callback=dialled,
    help="Address of the daemon.",
)
_CREDENTIALS = click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    help="Folder of an operator's credentials.  [default: the folder operator in --tls]",
)
_INSECURE = click.option("--insecure", is_flag=True, help="Use plain text, even over a network.")


def on_daemon(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a daemon, and pass it that `Daemon` as its first argument.

    gRPC is imported when the command runs, so that the commands can be listed without it.
    """

    @TLS
    @_SERVER
    @_CREDENTIALS
    @_INSECURE
    @functools.wraps(command)
    def wrapped(*, folder: Path, address: str, credentials: Path | None, insecure: bool, **options: Any) -> None:
        from limbeck_common.wire.credentials import choose_credentials  # noqa: PLC0415 - see above
        from limbeck_server.cli.operator_client import Daemon  # noqa: PLC0415

        set_up_logs("warning", "auto")
        place = credentials or folder / "operator"
        found = choose_credentials(place, address, insecure=insecure, named=credentials is not None)
        command(Daemon(address, found), **options)

    return wrapped
