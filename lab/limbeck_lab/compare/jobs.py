"""Runs what a comparison still lacks, a few processes at once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from limbeck_common.core.errors import SetupError
from limbeck_lab.compare.plan import Job, Plan
from limbeck_lab.compare.progress import Progress
from limbeck_lab.report.table import duration, percent
from limbeck_lab.run.processes import Program, cancel_on_sigterm
from limbeck_lab.run.results import mean
from limbeck_lab.run.together import together


async def run_jobs(  # noqa: PLR0913 - one comparison's choices
    plan: Plan,
    folder: Path,
    lock: TextIO,
    *,
    at_once: int,
    workers: int,
    show: Callable[[str], None],
    status: Callable[[str], None],
) -> int:
    """Run every job that has not come to its end yet, each from its beginning, and return how many failed.

    `show` prints a line, `status` replaces the one that tells how far we are.
    """
    cancel_on_sigterm()
    jobs = list(plan.jobs())
    todo = [job for job in jobs if job.done(folder) is None]
    if len(todo) < len(jobs):
        show(f"{len(jobs) - len(todo)} of {len(jobs)} runs are done already")
    progress = Progress(len(jobs), todo)
    waiting = iter(todo)
    failed = 0

    async def run(job: Job) -> str:
        run_folder = job.folder(folder)
        if run_folder.exists():
            shutil.rmtree(run_folder)
        arguments = [str(folder), job.label, str(job.seed), "--workers", str(workers)]
        program = await Program.start(
            str(job), "limbeck_lab.compare.job", arguments, run_folder / "job.log", keep=(lock.fileno(),)
        )
        try:
            async for line in program.lines():
                if line.startswith("round "):
                    progress.round(job)
                    status(progress.line())
            await program.finish()
        finally:
            await program.stop()
        done = job.done(folder)
        if done is None or done.summary is None:
            raise SetupError(f"{job} left no summary", remedy=f"see {program.log}")
        clients = percent(mean(client.federated for client in done.clients))
        server, seconds = percent(done.summary.server_accuracy), duration(done.summary.seconds)
        return f"{job}: server {server}, clients {clients}, {seconds}"

    async def hand() -> None:
        nonlocal failed
        for job in waiting:  # the hands share it
            progress.start(job)
            status(progress.line())
            try:
                line = await run(job)
            except SetupError as error:
                line = f"{error}"
                failed += 1
            progress.end(job)
            show(f"{progress.count()}  {line}")
            status(progress.line())

    await together(*(hand() for _ in range(at_once)))
    return failed
