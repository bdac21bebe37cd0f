"""Which jobs a comparison runs, and what becomes of them."""

import asyncio
import tempfile
from pathlib import Path
from typing import TextIO

import pytest
from support.comparisons import plan, record_run

from limbeck_common.core.errors import SetupError
from limbeck_lab.compare import jobs as module
from limbeck_lab.compare.jobs import JobRunner, describe
from limbeck_lab.compare.own_code import write
from limbeck_lab.compare.plan import ComparisonPlan, Job
from limbeck_lab.results.records import ClientSummary, Results, Summary


class Scripted:
    """Stands for a job's process: closes its rounds, then records a run or fails, as the test says."""

    started: list[tuple[str, list[str], tuple[int, ...]]]
    running: int
    most: int

    def __init__(self, folder: Path, failing: set[str]) -> None:
        self.started, self.running, self.most = [], 0, 0
        self._folder, self.failing = folder, failing

    async def start(self, name: str, module: str, arguments: list[str], log: Path, keep: tuple[int, ...]) -> "Process":
        assert module == "limbeck_lab.cli.job"
        self.started.append((name, arguments, keep))
        self.running += 1
        self.most = max(self.most, self.running)
        return Process(self, Job(arguments[1], int(arguments[2]), 3), log)

    def end(self, job: Job) -> None:
        if str(job) in self.failing:
            raise SetupError(f"{job} ended with status 1")
        if str(job) + " silently" not in self.failing:
            record_run(self._folder, job, [0.5, 0.6, 0.7], 10)


class Process:
    def __init__(self, script: Scripted, job: Job, log: Path) -> None:
        self._script, self._job, self.log = script, job, log

    async def lines(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        for number in range(1, 4):
            await asyncio.sleep(0)
            yield str(number)

    async def finish(self) -> None:
        self._script.end(self._job)

    async def stop(self) -> None:
        self._script.running -= 1


def run(folder: Path, chosen: ComparisonPlan, at_once: int) -> tuple[int, list[str], list[str]]:
    shown: list[str] = []
    progress: list[str] = []

    async def work(lock: TextIO) -> int:
        return await JobRunner(chosen, folder, lock, 3, shown.append, progress.append).run(at_once)

    with tempfile.TemporaryFile("w") as lock:
        return asyncio.run(work(lock)), shown, progress


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted(tmp_path, set())
    monkeypatch.setattr(module, "Program", made)
    monkeypatch.setattr(module, "cancel_on_sigterm", lambda: None)
    return made


def test_only_the_runs_that_have_not_finished_are_run(tmp_path: Path, script: Scripted) -> None:
    record_run(tmp_path, Job("dsfl", 0, 3), [0.5], 10)
    left = tmp_path / "dsfl" / "seed-1" / "left over"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    failed, shown, _ = run(tmp_path, plan("dsfl"), 1)
    assert failed == 0
    assert [name for name, _, _ in script.started] == ["dsfl seed 1"]
    assert script.started[0][1] == [str(tmp_path), "dsfl", "1", "--workers", "3"]
    assert not left.exists()
    assert shown == [
        "1 of 2 runs are done already",
        "2 of 2  dsfl seed 1: server 70.0 %, clients 70.0 %, 11.0 s",
    ]


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_a_run_that_fails_is_counted_and_stops_no_other(tmp_path: Path, script: Scripted, at_once: int) -> None:
    script.failing |= {"dsfl seed 0", "fedmd seed 1 silently"}
    failed, shown, progress = run(tmp_path, plan("dsfl", "fedmd"), at_once)
    assert failed == 2
    assert script.most == min(at_once, 4)
    assert script.running == 0
    said = sorted(line[8:].partition(";")[0].partition(":")[0] for line in shown)
    assert said == [
        "dsfl seed 0 ended with status 1",
        "dsfl seed 1",
        "fedmd seed 0",
        "fedmd seed 1 left no summary",
    ]
    assert progress[0] == "0 of 4 runs; dsfl seed 0 round 1/3"
    assert progress[-1].startswith("4 of 4 runs; ")


def test_a_finished_job_is_described_by_what_it_reached() -> None:
    clients = (ClientSummary(name="a", model="cnn", federated=0.5), ClientSummary(name="b", model="cnn"))
    summary = Summary(state="finished", seconds=725, clients=clients, bytes_counted="as encoded")
    assert describe(Job("dsfl", 1, 3), Results(summary=summary)) == (
        "dsfl seed 1: server -, clients 50.0 %, 12 min 05 s"
    )


def test_a_run_with_other_code_of_the_users_is_made_again(tmp_path: Path, script: Scripted) -> None:
    for seed in (0, 1):
        record_run(tmp_path, Job("dsfl", seed, 3), [0.5], 10)
    write(tmp_path / "dsfl" / "seed-1", "the digest of what was there before")
    _, shown, _ = run(tmp_path, plan("dsfl"), 1)
    assert [name for name, _, _ in script.started] == ["dsfl seed 1"]
    assert shown[:2] == [
        "1 runs were made with other code of yours, and are made again",
        "1 of 2 runs are done already",
    ]
