"""`limbeck-lab simulate`."""

from typing import Any

import click

from limbeck_lab.cli.one_run import carry_out
from limbeck_lab.cli.options import ENGINE, client_options, learning_options, run_options
from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.simulate import simulate as run_simulation


@click.command()
@learning_options
@run_options
@client_options("cnn")
@ENGINE
@click.option("--keep-store", is_flag=True, help="Keep the journal and all uplinks in the run's folder, for an audit.")
def simulate(clients: int, models: tuple[str, ...], **options: Any) -> None:
    """Run any number of clients in one process, without a network.

    A few worker processes train. The models are the same, bit by bit, as those of a federation over the network.
    """
    carry_out("simulate", run_simulation, make_clients(models, clients), options)
