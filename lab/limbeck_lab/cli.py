"""`limbeck-lab`: a whole federation on one machine."""

from pathlib import Path
from typing import Any

import click

from limbeck_common.core.errors import EndedError
from limbeck_common.support.cli import run_async, run_command, set_up_logs

_SET = click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any server setting, e.g. --set recipe.momentum=0.9.",
)
_SHORT = {
    "dataset": "data.dataset",
    "partition": "data.partition",
    "alpha": "data.alpha",
    "rounds": "federation.rounds",
    "seed": "federation.seed",
    "data_dir": "data_dir",
}


def _common(function: Any) -> Any:
    """Add the options that say what is learned, on which data."""
    return _add(
        function,
        click.option("--dataset", help="Name of a built-in data set, such as mnist.  [default: digits]"),
        click.option("--partition", help="iid, dirichlet, dirichlet_equal or shards.  [default: dirichlet]"),
        click.option("--alpha", type=float, help="Of the Dirichlet distribution.  [default: 0.5]"),
        click.option("--rounds", type=int, help="Rounds of the federation."),
        click.option("--data-dir", help="Folder of the data sets; LIMBECK_DATA names it too."),
        click.option("--config", type=click.Path(path_type=Path), help="The server's TOML file, in place of defaults."),
        _SET,
        click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of the results.  [default: runs/...]"),
    )


def _single(function: Any) -> Any:
    """Add the options of a single run."""
    return _add(
        function,
        click.option("--seed", type=int, help="Of everything.  [default: 0]"),
        click.option("--alone/--no-alone", default=True, show_default=True, help="Train each client alone to compare."),
        click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that train."),
    )


def _crowd(function: Any) -> Any:
    """Add the options that say who the clients are."""
    return _add(
        function,
        click.option("--clients", type=click.IntRange(1), default=5, show_default=True, help="How many."),
        click.option(
            "--model",
            "models",
            multiple=True,
            default=("cnn",),
            show_default=True,
            help="Given several times: in turn.",
        ),
    )


def _add(function: Any, *options: Any) -> Any:
    for option in reversed(options):
        function = option(function)
    return function


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Try limbeck on one machine: a demo over real processes, and simulations in one."""


@cli.command()
@_common
@_single
def demo(**options: Any) -> None:
    """Run a real server and five real clients of different models on loopback, and show what they gain."""
    from limbeck_lab.run.clients import make_clients  # noqa: PLC0415
    from limbeck_lab.run.demo import MODELS, run_demo  # noqa: PLC0415 - help answers at once

    _run(run_demo, "demo", make_clients(MODELS, len(MODELS)), options)


@cli.command()
@_common
@_single
@_crowd
def simulate(clients: int, models: tuple[str, ...], **options: Any) -> None:
    """Run any number of clients in one process and a few workers, without a network: the same bits, sooner."""
    from limbeck_lab.run.clients import make_clients  # noqa: PLC0415 - help answers at once
    from limbeck_lab.run.simulate import simulate as run_simulation  # noqa: PLC0415

    _run(run_simulation, "simulate", make_clients(models, clients), options)


@cli.command()
@_common
@_crowd
@click.option("--methods", default="", help="E.g. dsfl,dsfl:aggregation=sa")
@click.option(
    "--variants", type=click.Path(path_type=Path), help="TOML file with a table [variants.NAME] for each more."
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs of each method, with the seeds 0, 1, ...",
)
@click.option(
    "--target", type=float, default=0.9, show_default=True, help="Accuracy; the table tells the bytes until it."
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs going on at a time.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that train, a run.")
def compare(methods: str, variants: Path | None, jobs: int, workers: int, **options: Any) -> None:
    """Simulate every method with every seed, and show their accuracies beside their bytes.

    The same command with the same --run-dir goes on where it was stopped, and
    may name more methods or seeds.
    """
    from limbeck_lab.compare.compare import compare as run_comparison  # noqa: PLC0415 - help answers at once
    from limbeck_lab.compare.variants import read_methods, read_tables  # noqa: PLC0415

    rows = [*(read_methods(methods) if methods else []), *(read_tables(variants) if variants else [])]
    run_comparison(rows, options, _flags(options), at_once=jobs, workers=workers)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
def report(run: Path) -> None:
    """Write the report.html of RUN, a run's folder or a comparison's, again."""
    from limbeck_lab.compare.plan import is_comparison  # noqa: PLC0415
    from limbeck_lab.report.comparison_report import write_comparison  # noqa: PLC0415 - help answers at once
    from limbeck_lab.report.run_report import write_report  # noqa: PLC0415

    click.echo(write_comparison(run)[0] if is_comparison(run) else write_report(run))


def _run(runner: Any, what: str, clients: list[Any], options: dict[str, Any]) -> None:
    from limbeck_lab.report.run_report import write_report  # noqa: PLC0415 - help answers at once
    from limbeck_lab.report.table import print_summary  # noqa: PLC0415
    from limbeck_lab.run.folder import DEMO, lab_settings, new_run  # noqa: PLC0415

    run = new_run(options["run_dir"], what)
    defaults = DEMO if options["dataset"] in {None, "digits"} else {}
    settings = lab_settings(options["config"], defaults, _flags(options), len(clients), run)
    set_up_logs("warning", "text")
    summary = run_async(
        runner(settings, clients, run, workers=options["workers"], alone=options["alone"], show=click.echo)
    )
    print_summary(summary)
    click.echo(f"report: {write_report(run)}")
    if summary.state != "finished":
        raise EndedError(f"the federation {summary.state}: {summary.reason}", remedy=f"its rounds are in {run}")


def _flags(options: dict[str, Any]) -> dict[str, str]:
    from limbeck_server.settings import read_pairs  # noqa: PLC0415 - help answers at once

    short = {_SHORT[name]: str(options[name]) for name in _SHORT if options.get(name) is not None}
    return short | read_pairs(options["pairs"])


def main() -> None:
    """Entry point of the console program."""
    run_command(cli, "limbeck-lab")


if __name__ == "__main__":
    main()
