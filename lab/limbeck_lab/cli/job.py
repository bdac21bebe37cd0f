"""One run of a comparison, in a process of its own: `python -m limbeck_lab.cli.job COMPARISON LABEL SEED`."""

import asyncio
from pathlib import Path

import click

from limbeck_common.core.errors import EndedError
from limbeck_common.support.cli import run_async, run_command
from limbeck_common.support.logs import set_up_logs
from limbeck_lab.compare.plan import Job, read_plan
from limbeck_lab.report.run_report import write_report
from limbeck_lab.results.records import Summary
from limbeck_lab.run.lab_run import LabRun, make_run_folder
from limbeck_lab.run.processes.program import cancel_on_sigterm
from limbeck_lab.run.simulate import simulate


@click.command()
@click.argument("comparison", type=click.Path(path_type=Path))
@click.argument("label")
@click.argument("seed", type=int)
@click.option("--workers", type=int, default=1)
@click.option("--engine", default="local")
def job(comparison: Path, label: str, seed: int, workers: int, engine: str) -> None:
    """Simulate the variant LABEL of COMPARISON with SEED, and write its report.

    Standard output has the number of each round that closes, one per line.
    """
    plan = read_plan(comparison)
    this = Job(label, seed, plan.variants[label].settings.federation.rounds)
    settings, clients = this.parts(plan, comparison)
    folder = make_run_folder(this.folder(comparison))
    set_up_logs("warning", "text")
    run = LabRun(settings, clients, folder, workers, alone=False, show=lambda _: None, closed=click.echo, engine=engine)

    async def work() -> Summary:
        cancel_on_sigterm()
        return await simulate(run)

    try:
        summary = run_async(work())
    except asyncio.CancelledError:
        raise click.Abort from None
    write_report(folder)
    if summary.state != "finished":
        raise EndedError(f"the federation {summary.state}: {summary.reason}")


if __name__ == "__main__":
    run_command(job, "limbeck-lab")
