"""Runs the jobs that a comparison still lacks, a few processes at a time."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from limbeck_common.core.errors import SetupError
from limbeck_lab.compare.own_code import is_changed, write
from limbeck_lab.compare.plan import ComparisonPlan, Job
from limbeck_lab.compare.progress import Progress
from limbeck_lab.format import duration, percent
from limbeck_lab.results.records import Results, mean
from limbeck_lab.run.processes.program import Program, cancel_on_sigterm

_MODULE = "limbeck_lab.cli.job"


@dataclass(frozen=True)
class JobRunner:
    """Runs every job of a plan that has not finished yet, each from its beginning.

    The jobs' processes inherit `lock`, so that the comparison's `folder` stays locked while one of them is alive. Each
    has `workers` that train, where `engine` says. `show` prints a line; `status` replaces the line that shows the
    progress.
    """

    plan: ComparisonPlan
    folder: Path
    lock: TextIO
    workers: int
    show: Callable[[str], None]
    status: Callable[[str], None]
    engine: str = "local"

    async def run(self, at_once: int) -> int:
        """Run the jobs, `at_once` at a time, and return how many failed."""
        cancel_on_sigterm()
        jobs = list(self.plan.jobs())
        changed = [job for job in jobs if is_changed(job.folder(self.folder), job.code(self.plan))]
        waiting = [job for job in jobs if job in changed or job.done(self.folder) is None]
        if changed:
            self.show(f"{len(changed)} runs were made with other code of yours, and are made again")
        if len(waiting) < len(jobs):
            self.show(f"{len(jobs) - len(waiting)} of {len(jobs)} runs are done already")
        progress = Progress(len(jobs), waiting)
        shared = iter(waiting)
        async with asyncio.TaskGroup() as tasks:
            lines = [tasks.create_task(self._run_each(shared, progress)) for _ in range(at_once)]
        return sum(line.result() for line in lines)

    async def _run_each(self, jobs: Iterator[Job], progress: Progress) -> int:
        """Run one job after the other, from an iterator shared with others, and return how many failed."""
        failed = 0
        for job in jobs:
            progress.start(job)
            self.status(progress.line())
            try:
                line = describe(job, await self._run_job(job, progress))
            except SetupError as error:
                line = f"{error}"
                failed += 1
            progress.end(job)
            self.show(f"{progress.count()}  {line}")
            self.status(progress.line())
        return failed

    async def _run_job(self, job: Job, progress: Progress) -> Results:
        """Run one job in a process of its own, and return what it recorded.

        Raises:
            SetupError: the process failed, or left no summary.
        """
        run_folder = job.folder(self.folder)
        if run_folder.exists():
            shutil.rmtree(run_folder)
        arguments = [str(self.folder), job.label, str(job.seed), "--workers", str(self.workers)]
        if self.engine != "local":
            arguments += ["--engine", self.engine]
        keep = (self.lock.fileno(),)
        program = await Program.start(str(job), _MODULE, arguments, run_folder / "job.log", keep=keep)
        write(run_folder, job.code(self.plan))
        try:
            async for _ in program.lines():  # one for each round
                progress.round(job)
                self.status(progress.line())
            await program.finish()
        finally:
            await program.stop()
        results = job.done(self.folder)
        if results is None:
            raise SetupError(f"{job} left no summary", remedy=f"see {program.log}")
        return results


def describe(job: Job, results: Results) -> str:
    """Return one line on a finished job: the accuracies at the end, and the time it took."""
    clients = percent(mean(client.federated for client in results.clients))
    if results.summary is None:
        return f"{job}: clients {clients}"
    server, seconds = percent(results.summary.server_accuracy), duration(results.summary.seconds)
    return f"{job}: server {server}, clients {clients}, {seconds}"
