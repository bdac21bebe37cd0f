"""How far a comparison has come."""

import pytest

from limbeck_lab.compare import progress as module
from limbeck_lab.compare.plan import Job
from limbeck_lab.compare.progress import Progress


def test_progress_counts_what_failed_as_ended() -> None:
    jobs = [Job("dsfl", seed, 4) for seed in range(3)]
    progress = Progress(4, jobs)
    progress.start(jobs[0])
    progress.round(jobs[0])
    assert progress.line().startswith("1 of 4 runs; about ")
    assert progress.line().endswith("dsfl seed 0 round 2/4")
    progress.end(jobs[0])
    assert progress.count() == "2 of 4"


def test_the_remaining_time_is_estimated_from_the_rounds_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    job, other = Job("dsfl", 0, 4), Job("fedmd", 0, 4)
    progress = Progress(2, [job, other])
    progress.start(job)
    assert progress.line() == "0 of 2 runs; dsfl seed 0 round 1/4"
    progress.round(job)
    progress.round(job)
    now = 110.0
    assert progress.line() == "0 of 2 runs; about 30.0 s left; dsfl seed 0 round 3/4"
    progress.end(job)
    assert progress.line() == "1 of 2 runs; about 10.0 s left; "


def test_a_run_that_has_closed_its_last_round_stays_there() -> None:
    job = Job("dsfl", 0, 2)
    progress = Progress(12, [job])
    progress.start(job)
    progress.round(job)
    progress.round(job)
    assert progress.line().endswith("dsfl seed 0 round 2/2")
    assert progress.count() == "11 of 12"
