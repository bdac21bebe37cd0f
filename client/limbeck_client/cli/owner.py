"""`limbeck-client ledger`, `review`, `approve`, `refuse`: what has left, what would, and the owner's word about it."""

from pathlib import Path

import click

_STATE = click.argument("state", type=click.Path(path_type=Path, exists=True, file_okay=False))


@click.command()
@_STATE
def ledger(state: Path) -> None:
    """Show all that a client has sent, from its STATE folder: a line for each uplink."""
    from limbeck_client.privacy.release_log import ReleaseLog  # noqa: PLC0415 - help answers at once

    for each in ReleaseLog(state).read():
        click.echo(str(each))


@click.command()
@_STATE
def review(state: Path) -> None:
    """Show the uplink that a client with --review holds in its STATE folder, as the ledger would."""
    from limbeck_client.privacy.review_queue import ReviewQueue  # noqa: PLC0415 - help answers at once

    click.echo(str(ReviewQueue(state).held()))


@click.command()
@_STATE
@click.option("--all", "every", is_flag=True, help="And all that follow in this federation, until you refuse.")
@click.option("--round", "number", type=int, help="Only if it is this round's.")
def approve(state: Path, number: int | None, *, every: bool) -> None:
    """Let go the uplink that is held in STATE, if its round is still open. The client need not run."""
    from limbeck_client.privacy.review_queue import ReviewQueue  # noqa: PLC0415 - help answers at once

    release = ReviewQueue(state).approve(number, every=every)
    click.echo(f"approved{', and all that follow' * every}: {release}")


@click.command()
@_STATE
def refuse(state: Path) -> None:
    """Keep back the uplink that is held in STATE: it never leaves, and the client goes on with the next round."""
    from limbeck_client.privacy.review_queue import ReviewQueue  # noqa: PLC0415 - help answers at once

    release = ReviewQueue(state).refuse()
    click.echo("no more is approved in advance" if release is None else f"refused: {release}")
