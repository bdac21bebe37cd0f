"""The data owner's commands: what has left, what would leave, and the owner's decision about it."""

from pathlib import Path

import click

from limbeck_client.privacy.release_log import ReleaseLog, as_json
from limbeck_client.privacy.review_queue import ReviewQueue
from limbeck_common.support.cli import AS_JSON

_STATE = click.argument("state", type=click.Path(path_type=Path, exists=True, file_okay=False))


@click.command()
@_STATE
@AS_JSON
def ledger(state: Path, *, json: bool) -> None:
    """List everything that a client has sent.

    STATE is the client's state folder, limbeck-client/NAME by default. One line per uplink.
    """
    for each in ReleaseLog(state).read():
        click.echo(as_json(each) if json else str(each))


@click.command()
@_STATE
def review(state: Path) -> None:
    """Show the uplink that is held in STATE.

    STATE is the state folder of a client that joined with --review. The line is the one that `ledger` would show.
    """
    click.echo(str(ReviewQueue(state).held()))


@click.command()
@_STATE
@click.option(
    "--all", "every", is_flag=True, help="Also let all later ones of this federation leave, until you refuse."
)
@click.option("--round", "number", type=int, help="Only if the uplink is this round's.")
def approve(state: Path, number: int | None, *, every: bool) -> None:
    """Let the uplink that is held in STATE leave.

    It leaves if its round is still open. The client need not be running now.
    """
    release = ReviewQueue(state).approve(number, every=every)
    click.echo(f"approved{', and all that follow' * every}: {release}")


@click.command()
@_STATE
def refuse(state: Path) -> None:
    """Keep back the uplink that is held in STATE, for good.

    The client goes on with the next round. An approval of all that follow ends.
    """
    release = ReviewQueue(state).refuse()
    click.echo("nothing is approved in advance any more" if release is None else f"refused: {release}")
