"""`limbeck-lab conformance`."""

from pathlib import Path

import click

from limbeck_common.support.cli import run_async
from limbeck_common.support.logs import set_up_logs
from limbeck_lab.conformance.run import ADDRESS, try_client


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting of the server.")
@click.option("--seconds", type=float, default=300.0, show_default=True, help="Time limit of the trial.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    default="conformance.log",
    show_default=True,
    help="File to which all that the client prints is added.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def conformance(
    context: click.Context, command: tuple[str, ...], settings: tuple[str, ...], seconds: float, log: Path
) -> None:
    """Put a client in any language through all that it must survive.

    COMMAND starts the client and names the address to join as {address}:

      limbeck-lab conformance -- node client.mjs {address} --part 0

    A real server runs a federation of five rounds on digits with the client and one of ours. A proxy in between loses a
    receipt, cuts a downlink, refuses, is late, and kills the client once and starts COMMAND again. The output has a
    line per situation: what happened, what was expected, and what the client did. The status is 0 if it did all as
    docs/protocol.md says, else 1.
    """
    if not any(ADDRESS in word for word in command):
        raise click.UsageError("the command does not say where it is to be told the address; write {address} there")
    set_up_logs("error", "text")
    trial = run_async(try_client(command, settings, seconds, log))
    for line in trial.lines():
        click.echo(line)
    if not trial.passed:
        click.echo(f"what the client printed is in {log}", err=True)
        context.exit(1)
