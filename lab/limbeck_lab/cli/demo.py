"""`limbeck-lab demo`."""

from typing import Any

import click

from limbeck_lab.cli.one_run import carry_out
from limbeck_lab.cli.options import client_options, learning_options, run_options
from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.demo import MODELS, run_demo


@click.command()
@learning_options
@run_options
@client_options(*MODELS)
def demo(clients: int, models: tuple[str, ...], **options: Any) -> None:
    """Run a real server and five real clients on loopback.

    The clients have different models. At the end, a table shows what each of them gains by taking part.
    """
    carry_out("demo", run_demo, make_clients(models, clients), options)
