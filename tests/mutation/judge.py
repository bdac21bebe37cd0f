"""Try mutants, some at a time, each in a process of its own."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait

from mutation.child import Child, Outcome
from mutation.mutants import Mutant
from mutation.run import Selection, Substitute, run_tests
from mutation.trace import Trace


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant. `tests` counts those that run its lines."""

    mutant: Mutant
    outcome: Outcome
    tests: int

    @property
    def survived(self) -> bool:
        return self.outcome.status == 0

    @property
    def word(self) -> str:
        return "survived" if self.survived else "hung" if self.outcome.hung else "killed"


def judge(chosen: list[Mutant], traced: Trace, jobs: int, *, changed: bool) -> Iterator[Verdict]:
    """Run the tests for each mutant, `jobs` at a time; yield the verdicts as they come."""
    waiting = list(reversed(chosen))
    running: dict[Child, tuple[Mutant, int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.pop()
                tests = traced.tests(mutant)
                if tests:
                    running[_start(mutant, tests, traced.seconds, changed=changed)] = (mutant, len(tests))
                else:
                    yield Verdict(mutant, Outcome(0), 0)
            for child in _ended(list(running)):
                mutant, count = running.pop(child)
                yield Verdict(mutant, child.finish(), count)
    finally:
        for child in running:
            child.finish()


def _ended(running: list[Child]) -> list[Child]:
    """Wait until a child has ended or its time is over; return those of which this is true."""
    if not running:
        return []
    ready = wait([child.connection for child in running], min(child.seconds_left for child in running))
    return [child for child in running if child.connection in ready or not child.seconds_left]


def _start(mutant: Mutant, tests: list[str], seconds: dict[str, float], *, changed: bool) -> Child:
    limits = {test: 30.0 + 10.0 * seconds[test] for test in tests}
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))

    def work() -> Outcome:
        if changed:
            with mutant.applied() as tree:
                return _tests(Substitute(mutant.module, tree))
        return _tests(Substitute(mutant.module, mutant.tree))

    def _tests(hook: Substitute) -> Outcome:
        sys.meta_path.insert(0, hook)
        selection = Selection(tests, limits)
        status = run_tests(["-x", *files], [selection])
        return Outcome(status, selection.failed, selection.hung)

    return Child(work, 60.0 + 4.0 * sum(seconds[test] for test in tests))
