"""The commands that talk to a running daemon: `status`, `watch`, `health`, and the operator's orders.

The module imports neither gRPC nor NumPy, so that `limbeck-server --help` lists its `COMMANDS` at once.
"""

import sys
from typing import TYPE_CHECKING

import click
from google.protobuf.message import Message

from limbeck_common.support.cli import AS_JSON, run_async
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_server.cli.options import on_daemon
from limbeck_server.cli.printing import as_json, event_line, status_lines

if TYPE_CHECKING:
    from limbeck_server.cli.operator_client import Daemon

_PATIENCE = 600.0  # seconds: a restart of the daemon's machine fits


@click.command()
@on_daemon
@click.option("--json", "json", is_flag=True, help="Print JSON.")
def status(daemon: "Daemon", *, json: bool) -> None:
    """Show the federation and its clients."""
    answer = run_async(daemon.status())
    click.echo(as_json(answer) if json else "\n".join(status_lines(answer)))


@click.command()
@on_daemon
def health(daemon: "Daemon") -> None:
    """Exit with status 0 if the daemon is serving, else with 1.

    Containers use it as their health check.
    """
    answer = run_async(daemon.health())
    click.echo(answer)
    sys.exit(0 if answer == "SERVING" else 1)


@click.command()
@on_daemon
@click.option("--after", default=0, show_default=True, help="Number of the last event already seen.")
@AS_JSON
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=_PATIENCE,
    show_default=True,
    help="Seconds without the daemon before giving up.",
)
def watch(daemon: "Daemon", after: int, patience: float, *, json: bool) -> None:
    """Show events as they happen, past ones first.

    It ends with the federation. If the daemon is not running, or restarts, it waits and goes on after the last event.
    """

    def show(event: pb.WatchResponse) -> None:
        click.echo(as_json(event, on_one_line=True) if json else event_line(event))

    def warn(sentence: str) -> None:
        click.echo(sentence, err=True)

    run_async(daemon.watch(after, patience, show=show, warn=warn))


@click.command()
@on_daemon
def pause(daemon: "Daemon") -> None:
    """Pause the federation: no round opens or closes."""
    _send(daemon, pb.PauseRequest(), "paused")


@click.command()
@on_daemon
def resume(daemon: "Daemon") -> None:
    """Resume a paused federation.

    Deadlines move by the time that it was paused.
    """
    _send(daemon, pb.ResumeRequest(), "resumed")


@click.command("close-round")
@on_daemon
def close_round(daemon: "Daemon") -> None:
    """Close the open round now.

    It is aggregated from the uplinks that have come; the daemon refuses if they are fewer than the quorum.
    """
    _send(daemon, pb.CloseRoundRequest(), "round closed")


@click.command()
@on_daemon
@click.option("--reason", default="", help="Why, in a sentence: clients are told, and the journal keeps it.")
def stop(daemon: "Daemon", reason: str) -> None:
    """End the federation now, for good.

    Its clients end too. To interrupt it and resume later, stop the daemon itself, with Ctrl-C or SIGTERM.
    """
    _send(daemon, pb.StopRequest(reason=reason), "stopped")


@click.command()
@on_daemon
@click.argument("client")
def evict(daemon: "Daemon", client: str) -> None:
    """Remove CLIENT from the federation for good.

    No round waits for it any more, and it cannot join again.
    """
    _send(daemon, pb.EvictRequest(client_name=client), f"{client} evicted")


def _send(daemon: "Daemon", request: Message, done: str) -> None:
    run_async(daemon.send(request))
    click.echo(done)


COMMANDS: tuple[click.Command, ...] = (status, health, watch, pause, resume, close_round, stop, evict)
