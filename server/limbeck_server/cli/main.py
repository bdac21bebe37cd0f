"""`limbeck-server`: run the daemon, and talk to one."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from limbeck_common.support.cli import LazyGroup, dialled, run_async, run_command, set_up_logs
from limbeck_server.cli.pki import TLS, init, revoke, rotate, token


def _asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a daemon, and the daemon as its first argument."""

    @TLS
    @click.option(
        "--server", "address", default="127.0.0.1:50051", show_default=True, metavar="HOST:PORT", callback=dialled
    )
    @click.option(
        "--credentials", type=click.Path(path_type=Path), help="An operator's.  [default: the folder operator of --tls]"
    )
    @click.option("--insecure", is_flag=True, help="Plain text, even over a network.")
    @functools.wraps(command)
    def asking_command(*, folder: Path, address: str, credentials: Path | None, insecure: bool, **options: Any) -> None:
        from limbeck_common.wire.credentials import choose_credentials  # noqa: PLC0415 - help answers at once
        from limbeck_server.cli.operator_client import Daemon  # noqa: PLC0415

        set_up_logs("warning", "auto")
        place = credentials or folder / "operator"
        found = choose_credentials(place, address, insecure=insecure, named=credentials is not None)
        command(Daemon(address, found), **options)

    return asking_command


_STORE = "limbeck_server.cli.store"
_LAZY = {
    "audit": (f"{_STORE}:audit", "Check that a store is what a daemon wrote, round by round."),
    "backup": (f"{_STORE}:backup", "Copy a store to a new folder, also while a daemon works in it."),
    "restore": (f"{_STORE}:restore", "Copy a backup to a new folder from which a daemon goes on."),
}


@click.group(
    cls=LazyGroup, lazy=_LAZY, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Run a limbeck server, or ask one how it is doing."""


@cli.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file; deploy/federation.toml explains each key.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.  [default: 50051]")
@click.option("--rounds", type=int, help="Rounds of the federation.")
@click.option("--store", help="Folder of the journal. Started again on it, the daemon goes on where it was.")
@click.option("--data-dir", help="Folder of the built-in data sets; LIMBECK_DATA names it too.")
@click.option("--tls", help="Folder of `limbeck-server init`'s certificates; with it, TLS.  [default: limbeck-tls]")
@click.option("--insecure", is_flag=True, default=None, help="Plain text, even where a network reaches it.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any setting, e.g. --set round.time.max=60.")
def run(config: Path | None, pairs: tuple[str, ...], **named: Any) -> None:
    """Run one federation until it ends. Ctrl-C or SIGTERM parks it: start again to go on."""
    from limbeck_server.daemon import serve  # noqa: PLC0415 - help answers at once

    settings = _settings(config, pairs, named)
    set_up_logs(settings.log.level, settings.log.format)
    sys.exit(run_async(serve(settings, lambda address: click.echo(f"limbeck-server listening on {address}"))))


def _settings(config: Path | None, pairs: tuple[str, ...], named: dict[str, Any]) -> Any:
    from limbeck_server.settings import load, read_pairs  # noqa: PLC0415 - help answers at once

    keys = {
        "host": "listen.host",
        "port": "listen.port",
        "rounds": "federation.rounds",
        "store": "store.path",
        "data_dir": "data_dir",
        "tls": "tls.folder",
        "insecure": "tls.insecure",
    }
    flags = {keys[name]: "true" if value is True else str(value) for name, value in named.items() if value is not None}
    flags |= read_pairs(pairs)
    return load(config, flags)


@cli.command()
@_asks
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def status(daemon: Any, *, as_json: bool) -> None:
    """Show the federation and its clients."""
    from limbeck_server.cli import operator_client as asking  # noqa: PLC0415 - help answers at once

    click.echo(run_async(asking.status(daemon, as_json=as_json)))


@cli.command()
@_asks
def health(daemon: Any) -> None:
    """Exit with 0 if the daemon serves and with 1 if not: the probe of containers."""
    from limbeck_server.cli import operator_client as asking  # noqa: PLC0415 - help answers at once

    said = run_async(asking.health(daemon))
    click.echo(said)
    sys.exit(0 if said == "SERVING" else 1)


@cli.command()
@_asks
@click.option("--after", default=0, help="Number of the last event seen.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def watch(daemon: Any, after: int, *, as_json: bool) -> None:
    """Show every event, past ones first, until the federation ends."""
    from limbeck_server.cli import operator_client as asking  # noqa: PLC0415 - help answers at once

    run_async(asking.watch(daemon, after, as_json=as_json, show=click.echo))


@cli.command()
@_asks
def pause(daemon: Any) -> None:
    """Hold the federation: no round opens, none closes."""
    _tell(daemon, "pause", "paused")


@cli.command()
@_asks
def resume(daemon: Any) -> None:
    """Let it go on; deadlines move by the time paused."""
    _tell(daemon, "resume", "resumed")


@cli.command()
@_asks
@click.option("--reason", default="", help="UplinkAccepted as the federation's reason.")
def stop(daemon: Any, reason: str) -> None:
    """End the federation now, for good."""
    _tell(daemon, "stop", "stopped", reason=reason)


@cli.command()
@_asks
@click.argument("client")
def evict(daemon: Any, client: str) -> None:
    """Take CLIENT out for good."""
    _tell(daemon, "evict", f"{client} evicted", client_name=client)


for each in (init, token, revoke, rotate):
    cli.add_command(each)


def _tell(daemon: Any, what: str, done: str, **fields: str) -> None:
    from limbeck_server.cli import operator_client as asking  # noqa: PLC0415 - help answers at once

    telling: Callable[..., Any] = asking.tell
    run_async(telling(daemon, what, **fields))
    click.echo(done)


@cli.command(params=run.params)
def doctor(config: Path | None, pairs: tuple[str, ...], **named: Any) -> None:
    """Check what a `run` with the same options needs: this machine, the store, the port, the data, the model.

    One line each, with its remedy; exit status 1 if the daemon would not run.
    """
    from limbeck_common.support.diagnostics import show  # noqa: PLC0415 - help answers at once
    from limbeck_server.cli.doctor import examine  # noqa: PLC0415

    set_up_logs("error", "auto")
    sys.exit(show(examine(_settings(config, pairs, named)), click.echo))


def main() -> None:
    """RoundHistory point of the console program."""
    run_command(cli, "limbeck-server")


if __name__ == "__main__":
    main()
