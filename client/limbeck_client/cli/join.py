"""`limbeck-client join`: take part in a federation."""

import sys
from pathlib import Path
from typing import Any

import click

from limbeck_client.join import ClientSettings
from limbeck_client.join import join as take_part
from limbeck_common.core.errors import EndedError, MembershipError
from limbeck_common.support.cli import ENDED_STATUS, dialled, run_async
from limbeck_common.support.logs import set_up_logs


@click.command()
@click.argument("address", metavar="HOST:PORT", callback=dialled)
@click.option("--name", required=True, help="This client's name in the federation.")
@click.option(
    "--model",
    default="cnn",
    show_default=True,
    help="Model to train: cnn, cnn-dsfl, forest, mlp, resnet8, resnet18, or your own as MODULE:CALLABLE.",
)
@click.option("--data", metavar="MODULE:CALLABLE", help="Your own data: a callable that returns a ParticipantData.")
@click.option("--part", type=int, help="Index of this client's share of the built-in data set, starting at 0.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the built-in data sets.  [default: LIMBECK_DATA, or ~/.cache/limbeck]",
)
@click.option("--device", default="auto", show_default=True, help="Device to train on: auto, cpu, cuda, cuda:1 or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the final model.  [default: model in --state]")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Folder of this client's state, from which it resumes.  [default: limbeck-client/NAME]",
)
@click.option(
    "--policy", type=click.Path(path_type=Path), help="TOML file with your limits; docs/own-model.md lists them."
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    help="Folder of this client's certificate and key.  [default: credentials in --state]",
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="Enrol first with the token in this file, if needed."
)
@click.option("--review", is_flag=True, help="Hold every uplink until you approve it; see `limbeck-client review`.")
@click.option("--insecure", is_flag=True, help="Use plain text, even over a network.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    help="Seconds without the server before giving up.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least severe level that is logged.",
)
@click.option(
    "--log-format",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "text", "json"]),
    help="Format of the log; auto: text on a terminal, else JSON.",
)
def join(**options: Any) -> None:
    """Join a federation and take part until it ends.

    HOST:PORT is the server's address. While the server does not answer, the client tries again at growing intervals.
    Interrupted or killed, it resumes when it is started again with the same --state.

    Exit status: 0 if the federation finished; 3 if it failed, was stopped or has evicted this client, so that
    starting again does not help; 1 for any other error.
    """
    settings = ClientSettings(**options)
    set_up_logs(settings.log_level, settings.log_format)
    try:
        ended = run_async(take_part(settings, click.echo))
    except (EndedError, MembershipError) as error:
        click.echo(f"limbeck-client: {error}", err=True)
        sys.exit(ENDED_STATUS)
    click.echo(f"{ended.state}: {ended.reason}")
