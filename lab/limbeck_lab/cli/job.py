"""One run of a comparison, in a process of its own: `python -m limbeck_lab.compare.job COMPARISON LABEL SEED`."""

import asyncio
import shutil
from pathlib import Path

import click

from limbeck_common.core.errors import EndedError
from limbeck_common.support.cli import run_async, run_command, set_up_logs
from limbeck_lab.compare.plan import Job, read_plan
from limbeck_lab.report.run_report import write_report
from limbeck_lab.run.folder import new_run
from limbeck_lab.run.processes import cancel_on_sigterm
from limbeck_lab.run.results import Summary
from limbeck_lab.run.simulate import simulate


@click.command()
@click.argument("comparison", type=click.Path(path_type=Path))
@click.argument("label")
@click.argument("seed", type=int)
@click.option("--workers", type=int, default=1)
def job(comparison: Path, label: str, seed: int, workers: int) -> None:
    """Run it, and write its report. A line that starts with `round` goes to standard output for each round."""
    plan = read_plan(comparison)
    one = Job(label, seed, plan.variants[label].settings.federation.rounds)
    settings, clients = one.parts(plan, comparison)
    run = new_run(one.folder(comparison), "job")
    set_up_logs("warning", "text")

    async def work() -> Summary:
        cancel_on_sigterm()
        return await simulate(settings, clients, run, workers=workers, alone=False, show=click.echo)

    try:
        summary = run_async(work())
    except asyncio.CancelledError:
        raise click.Abort from None
    write_report(run)
    if summary.state != "finished":
        raise EndedError(f"the federation {summary.state}: {summary.reason}")
    shutil.rmtree(settings.store.path)  # a comparison needs no evidence, and many of them would fill a disk


if __name__ == "__main__":
    run_command(job, "limbeck-lab")
