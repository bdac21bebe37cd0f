"""The options that several commands share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from limbeck_common.core.errors import SettingsError
from limbeck_lab.compare.variants import read_method
from limbeck_lab.run.lab_run import DEFAULTS, BaseSettings
from limbeck_server.settings import read_pairs

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SETTINGS = {
    "dataset": "data.dataset",
    "partition": "data.partition",
    "alpha": "data.alpha",
    "rounds": "federation.rounds",
    "seed": "federation.seed",
    "data_dir": "data_dir",
    "data": "open.source",
}
"""The server's setting that each option of that name sets."""


def learning_options(command: _Command) -> _Command:
    """Add the options that say what is learned, on which data."""
    return _add(
        command,
        click.option("--dataset", help="Name of a built-in data set, such as mnist.  [default: digits]"),
        click.option(
            "--data",
            metavar="MODULE:CALLABLE",
            help="Your own data, in place of a built-in data set: it is called with each client's `part`, and None for "
            "the server, and returns a ParticipantData. Other than ten classes: --set output.width=K.",
        ),
        click.option("--partition", help="iid, dirichlet, dirichlet_equal or shards.  [default: dirichlet]"),
        click.option("--alpha", type=float, help="Alpha of the Dirichlet distribution.  [default: 0.5]"),
        click.option("--rounds", type=int, help="Number of rounds."),
        click.option("--data-dir", help="Folder of the data sets.  [default: LIMBECK_DATA]"),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="TOML file with the server's settings, in place of the lab's defaults.",
        ),
        click.option(
            "--set",
            "pairs",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any setting of the server, e.g. --set recipe.fit.momentum=0.5.",
        ),
        click.option(
            "--run-dir", type=click.Path(path_type=Path), help="Folder for the results.  [default: runs/COMMAND-TIME]"
        ),
    )


def run_options(command: _Command) -> _Command:
    """Add the options of a single run."""
    return _add(
        command,
        click.option("--method", help="Method, with options or without, e.g. dsfl:aggregation=sa.  [default: dsfl]"),
        click.option("--seed", type=int, help="Seed of every random choice.  [default: 0]"),
        click.option(
            "--alone/--no-alone", default=True, show_default=True, help="Also train each client alone, to compare."
        ),
        click.option(
            "--workers", type=click.IntRange(1), default=2, show_default=True, help="Number of processes that train."
        ),
        click.option(
            "--on-round",
            help="Called with each closed round: tensorboard, wandb, or package.module:callable of your own.",
        ),
    )


ENGINE = click.option(
    "--engine",
    default="local",
    show_default=True,
    help="Where workers run: local, ray (all of this machine) or ray://HOST:PORT, a cluster that it belongs to.",
)


def client_options(*models: str) -> Callable[[_Command], _Command]:
    """Return what adds the options that say who the clients are; `models` are those of clients that name none."""

    def add(command: _Command) -> _Command:
        return _add(
            command,
            click.option("--clients", type=click.IntRange(1), default=5, show_default=True, help="Number of clients."),
            click.option(
                "--model",
                "models",
                multiple=True,
                default=models,
                show_default=True,
                help="Model of the clients, or your own as MODULE:CALLABLE; given several times, they take the models "
                "in turn.",
            ),
        )

    return add


def base_settings(options: Mapping[str, Any], clients: int) -> BaseSettings:
    """Return the settings that the options stand for.

    Raises:
        SettingsError: a `--set` is not of the form KEY=VALUE, or `--method` not of METHOD:KEY=VALUE,...
    """
    if options.get("data") is not None and options.get("dataset") is not None:
        raise SettingsError("--data and --dataset", expected="one of them")
    named = _method(options.get("method"))
    named |= {_SETTINGS[name]: str(options[name]) for name in _SETTINGS if options.get(name) is not None}
    return BaseSettings(clients, options["config"], DEFAULTS, named | read_pairs(options["pairs"]))


def _method(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    variant = read_method(text)
    return {"method.name": variant.method} | {f"method.options.{key}": value for key, value in variant.options.items()}


def _add(command: _Command, *options: Callable[[_Command], _Command]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command
