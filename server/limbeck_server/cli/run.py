"""`limbeck-server run`: the daemon."""

import gc
import sys
from pathlib import Path
from typing import Any

import click

from limbeck_common.support.cli import ENDED_STATUS, run_async
from limbeck_common.support.diagnostics import show
from limbeck_common.support.disk import put, writing
from limbeck_common.support.logs import set_up_logs
from limbeck_server.daemon import serve
from limbeck_server.settings import Settings, load, read_pairs

_KEYS = {
    "host": "listen.host",
    "port": "listen.port",
    "rounds": "federation.rounds",
    "store": "store.path",
    "data_dir": "data_dir",
    "tls": "tls.folder",
    "insecure": "tls.insecure",
}

_ALLOCATIONS = 20_000  # between two looks for garbage in cycles; an uplink makes some hundred objects, and no cycle


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file; deploy/federation.toml explains every key.")
@click.option("--host", help="Address to listen on; 0.0.0.0 for every network.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one.  [default: 50051]")
@click.option("--rounds", type=int, help="Number of rounds.  [default: 10]")
@click.option("--store", help="Folder of the journal, from which a restarted daemon resumes.  [default: limbeck-store]")
@click.option("--data-dir", help="Folder of the built-in data sets.  [default: LIMBECK_DATA, or ~/.cache/limbeck]")
@click.option("--tls", help="Folder of the certificates that `limbeck-server init` made.  [default: limbeck-tls]")
@click.option("--insecure", is_flag=True, default=None, help="Serve plain text, even on a network.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any setting, e.g. --set round.time.max=60.")
@click.option(
    "--address-file", type=click.Path(path_type=Path), help="File to write HOST:PORT to, once the daemon listens there."
)
@click.option("--check", is_flag=True, help="Say whether it would run with these options, as `doctor` does, and exit.")
def run(config: Path | None, pairs: tuple[str, ...], address_file: Path | None, *, check: bool, **named: Any) -> None:
    """Run one federation until it ends.

    Ctrl-C or SIGTERM interrupts it; started again with the same settings, it resumes. Settings come from --config, then
    from LIMBECK_... variables such as LIMBECK_ROUND__TIME__MAX=60, then from options; each overrides the one before.

    Exit status: 0 if the federation finished or was stopped, or the daemon was interrupted; 3 if the federation failed,
    so that starting again does not help; 1 for any other error.
    """
    settings = read_settings(config, pairs, named)
    if check:
        from limbeck_server.cli.doctor import diagnose_server  # noqa: PLC0415 - it takes this command's options

        set_up_logs("error", "auto")
        sys.exit(show(diagnose_server(settings), click.echo))
    set_up_logs(settings.log.level, settings.log.format)

    def announce(address: str) -> None:
        if address_file is not None:
            with writing(address_file.parent, "--address-file"):
                put(address_file, f"{address}\n".encode())
        click.echo(f"limbeck-server listening on {address}")

    gc.freeze()  # what was imported stays: looking through it again and again took a tenth of the daemon's time
    gc.set_threshold(_ALLOCATIONS, 20, 50)
    failed = run_async(serve(settings, announce))
    sys.exit(ENDED_STATUS if failed else 0)


def read_settings(config: Path | None, pairs: tuple[str, ...], named: dict[str, Any]) -> Settings:
    """Return the settings that the options of `run` describe.

    Raises:
        SettingsError: as `load` and `read_pairs`.
    """
    flags = {_KEYS[name]: "true" if value is True else str(value) for name, value in named.items() if value is not None}
    return load(config, flags | read_pairs(pairs))
