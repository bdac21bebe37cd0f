"""What the commands of a single run do around it: folder, settings, closing table and report."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import click

from limbeck_common.core.errors import EndedError
from limbeck_common.support.cli import run_async
from limbeck_common.support.logs import set_up_logs
from limbeck_lab.cli.options import base_settings
from limbeck_lab.report.run_report import write_report
from limbeck_lab.report.run_table import print_summary
from limbeck_lab.results.records import Summary
from limbeck_lab.run.clients import Client
from limbeck_lab.run.lab_run import LabRun, make_run_folder, timed_folder
from limbeck_lab.run.on_round import make_hook


def carry_out(
    command: str,
    runner: Callable[[LabRun], Coroutine[Any, Any, Summary]],
    clients: list[Client],
    options: Mapping[str, Any],
) -> None:
    """Have `runner` run a federation of `clients`, and write the report.

    Raises:
        LimbeckError: the run could not start, or a participant failed.
        EndedError: the federation ended in another state than finished.
    """
    folder = make_run_folder(options["run_dir"] or timed_folder(command))
    settings = base_settings(options, len(clients)).load(folder)
    set_up_logs("warning", "text")
    run = LabRun(
        settings,
        clients,
        folder,
        options["workers"],
        alone=options["alone"],
        show=click.echo,
        keep_store=options.get("keep_store", False),
        on_round=make_hook(options["on_round"], folder),
        engine=options.get("engine", "local"),
    )
    summary = run_async(runner(run))
    print_summary(summary)
    click.echo(f"report: {write_report(folder)}")
    if summary.state != "finished":
        raise EndedError(f"the federation {summary.state}: {summary.reason}", remedy=f"its rounds are in {folder}")
