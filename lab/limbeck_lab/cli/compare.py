"""`limbeck-lab compare`."""

import asyncio
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.text import Text

from limbeck_common.core.errors import SettingsError, SetupError
from limbeck_common.support.cli import run_async
from limbeck_common.support.disk import make_folder, take
from limbeck_lab.cli.options import ENGINE, base_settings, client_options, learning_options
from limbeck_lab.compare.jobs import JobRunner
from limbeck_lab.compare.plan import ComparisonPlan, by_label, resolve, settle
from limbeck_lab.compare.variants import SEED, read_methods, read_tables
from limbeck_lab.report.comparison_report import write_comparison
from limbeck_lab.report.comparison_table import print_comparison
from limbeck_lab.run.lab_run import timed_folder
from limbeck_server.open_data import find_open_data


@click.command()
@learning_options
@client_options("cnn")
@click.option("--methods", default="", help="Methods with their options, e.g. dsfl,dsfl:aggregation=sa.")
@click.option(
    "--variants", type=click.Path(path_type=Path), help="TOML file with a table [variants.NAME] for each variant."
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs of each method, with the seeds 0, 1, ...",
)
@click.option(
    "--target",
    type=float,
    default=0.9,
    show_default=True,
    help="Accuracy; the table shows the bytes exchanged until it was reached.",
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Number of runs at a time.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of processes that train, per run."
)
@ENGINE
def compare(jobs: int, workers: int, engine: str, run_dir: Path | None, **options: Any) -> None:
    """Simulate methods with several seeds; compare accuracy and bytes.

    The same command with the same --run-dir continues where it was stopped, and may name more methods or seeds.
    """
    plan = _plan(options)
    folder = run_dir or timed_folder("compare")
    make_folder(folder, "--run-dir")
    total = plan.seeds * len(plan.variants)
    with take(folder / "lock", "comparison", "--run-dir") as lock:
        settle(folder, plan)
        failed = _run(plan, folder, lock, jobs, workers, engine)
        path, comparison = write_comparison(folder)
    print_comparison(comparison)
    click.echo(f"report: {path}")
    if failed:
        raise SetupError(
            f"{failed} of {total} runs failed",
            remedy=f"correct the cause; the same command with --run-dir {folder} then continues",
        )


def _run(  # noqa: PLR0913, PLR0917 - a comparison, and how it runs
    plan: ComparisonPlan, folder: Path, lock: TextIO, jobs: int, workers: int, engine: str
) -> int:
    """Run what has not been run yet, and return how many runs failed."""
    console = Console(highlight=False)
    total = plan.seeds * len(plan.variants)
    console.print(Text(f"{total} runs, seeds 0 to {plan.seeds - 1}; results go to {folder}"))

    def show(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    try:
        with console.status("") as status:
            return run_async(JobRunner(plan, folder, lock, workers, show, status.update, engine).run(jobs))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo(f"stopped; the same command with --run-dir {folder} continues", err=True)
        raise click.Abort from None


def _plan(options: dict[str, Any]) -> ComparisonPlan:
    base = base_settings(options, options["clients"])
    if SEED in (base.flags or {}):
        raise SettingsError(f"--set {SEED}", expected="--seeds N: every variant runs with the seeds 0 to N-1")
    if not 0 < options["target"] < 1:
        raise SettingsError(f"--target {options['target']:g}", expected="an accuracy between 0 and 1, e.g. 0.9")
    variants = [
        *(read_methods(options["methods"]) if options["methods"] else []),
        *(read_tables(options["variants"]) if options["variants"] else []),
    ]
    resolved = {label: resolve(variant, base, options["models"]) for label, variant in by_label(variants).items()}
    every = [variant.settings for variant in resolved.values()]
    for settings in {(each.data, each.data_dir, each.open): each for each in every}.values():
        find_open_data(settings)  # data that is missing is missing for all runs: refused once, before the first run
    return ComparisonPlan(
        seeds=options["seeds"], clients=options["clients"], target=options["target"], variants=resolved
    )
