"""How far a comparison has come."""

import time

from limbeck_lab.compare.plan import Job
from limbeck_lab.format import duration


class Progress:
    """Counts runs and rounds, of `jobs` runs in total of which `todo` are still to run.

    The remaining time is estimated from the rounds that have closed since the object was made.
    """

    def __init__(self, jobs: int, todo: list[Job]) -> None:
        self.ended = jobs - len(todo)
        self._jobs = jobs
        self._rounds = dict.fromkeys(todo, 0)
        self._running: set[Job] = set()
        self._began = time.monotonic()

    def start(self, job: Job) -> None:
        """Count a run as started."""
        self._running.add(job)

    def round(self, job: Job) -> None:
        """Count one more of its rounds as closed."""
        self._rounds[job] += 1

    def end(self, job: Job) -> None:
        """Count a run as ended, whether it succeeded or failed."""
        self._running.discard(job)
        self._rounds[job] = job.rounds
        self.ended += 1

    def count(self) -> str:
        """Return `3 of 12`."""
        return f"{self.ended:>{len(str(self._jobs))}} of {self._jobs}"

    def line(self) -> str:
        """Return the progress of all runs in one line."""
        done, total = sum(self._rounds.values()), sum(job.rounds for job in self._rounds)
        left = ""
        if done:
            left = f"; about {duration((total - done) * (time.monotonic() - self._began) / done)} left"
        running = ", ".join(
            f"{job} round {min(self._rounds[job] + 1, job.rounds)}/{job.rounds}" for job in self._running
        )
        return f"{self.count()} runs{left}; {running}"
