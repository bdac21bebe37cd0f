"""The command `limbeck-lab compare`: plan, run, score, and tell."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from limbeck_common.core.errors import SettingsError, SetupError
from limbeck_common.support.cli import run_async
from limbeck_common.support.disk import make_folder, take
from limbeck_lab.compare.jobs import run_jobs
from limbeck_lab.compare.plan import Plan, by_label, make_entry, settle
from limbeck_lab.compare.variants import SEED, Variant
from limbeck_lab.report.comparison_report import write_comparison
from limbeck_lab.report.score_table import print_comparison
from limbeck_lab.run.folder import DEMO
from limbeck_server.open_data import find_open_data


def compare(rows: list[Variant], options: dict[str, Any], flags: dict[str, str], *, at_once: int, workers: int) -> None:
    """Run what is still to be run, and write the report.

    Raises:
        SettingsError, MethodError, DataError: the command cannot be carried out as it stands.
        SetupError: runs failed.
    """
    plan = _plan(rows, options, flags)
    folder = options["run_dir"] or Path("runs") / f"compare-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    make_folder(folder, "--run-dir")
    console = Console(highlight=False)
    total = plan.seeds * len(plan.variants)
    with take(folder / "lock", "comparison", "--run-dir") as lock:
        settle(folder, plan)
        console.print(Text(f"{total} runs, seeds 0 to {plan.seeds - 1}; results go to {folder}"))
        try:
            with console.status("") as status:
                failed = run_async(
                    run_jobs(
                        plan,
                        folder,
                        lock,
                        at_once=at_once,
                        workers=workers,
                        show=lambda line: console.print(Text(line), soft_wrap=True),
                        status=status.update,
                    )
                )
        except (KeyboardInterrupt, asyncio.CancelledError):
            click.echo(f"stopped; the same command with --run-dir {folder} goes on", err=True)
            raise click.Abort from None
        path, comparison = write_comparison(folder)
    print_comparison(comparison)
    click.echo(f"report: {path}")
    if failed:
        raise SetupError(
            f"{failed} of {total} runs failed",
            remedy=f"mend it, and the same command with --run-dir {folder} goes on",
        )


def _plan(rows: list[Variant], options: dict[str, Any], flags: dict[str, str]) -> Plan:
    if SEED in flags:
        raise SettingsError(f"--set {SEED}", expected="--seeds N: every variant runs with the seeds 0 to N-1")
    if not 0 < options["target"] < 1:
        raise SettingsError(f"--target {options['target']:g}", expected="an accuracy between 0 and 1, e.g. 0.9")
    digits = options["dataset"] in {None, "digits"}
    defaults = DEMO if digits else {}
    entries = {
        label: make_entry(variant, options["config"], defaults, flags, options["clients"], options["models"])
        for label, variant in by_label(rows).items()
    }
    every = [entry.settings for entry in entries.values()]
    for settings in {(each.data, each.data_dir, each.open): each for each in every}.values():
        find_open_data(settings)  # what is missing is missing for all runs: said once, before the first
    return Plan(seeds=options["seeds"], clients=options["clients"], target=options["target"], variants=entries)
