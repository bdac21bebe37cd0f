"""Which tests run which lines of the core, and how long each test takes: measured once, then kept in a file."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from mutation.child import Child, Outcome
from mutation.core import FAST_TESTS, ROOT, all_sources, core_modules
from mutation.mutants import Mutant
from mutation.run import run_tests

KEPT = ROOT / ".mutation" / "trace.json"
_LIMIT = 1800.0  # seconds for all of the fast tests
_IMPORT = ""  # stands among the tests of a line that runs outside of any test


@dataclass(frozen=True)
class Trace:
    """What one run of all fast tests showed."""

    seconds: dict[str, float]  # by test
    failed: list[str]  # tests that are left out
    lines: dict[str, dict[int, list[str]]]  # by a module's path and line, the tests that run it, and `_IMPORT`

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that may notice a change, the quickest files first.

        What changes at import concerns every test that runs a line of the module, or, where it has no functions, of a
        module beside it.
        """
        of_module = self.lines[mutant.module.path]
        found = {test for line in mutant.lines for test in of_module.get(line, [])}
        if mutant.at_import or _IMPORT in found:
            found = {test for tests in of_module.values() for test in tests}
            if found <= {_IMPORT}:
                found = self._tests_of_folder(mutant.module.path)
        found -= {_IMPORT}
        cost: defaultdict[str, float] = defaultdict(float)
        for test in found:
            cost[_file(test)] += self.seconds[test]
        own = f"test_{Path(mutant.module.path).stem}"
        return sorted(found, key=lambda test: (own not in _file(test), cost[_file(test)], test))

    def _tests_of_folder(self, path: str) -> set[str]:
        folder = Path(path).parent
        beside = [lines for other, lines in self.lines.items() if Path(other).parent == folder]
        return {test for lines in beside for tests in lines.values() for test in tests}


def trace() -> Trace:
    """Return the trace of the tree as it is: the one kept, or a new one.

    Tests that fail without any change are left out.

    Raises:
        RuntimeError: the tests could not be run.
    """
    digest = _digest()
    with contextlib.suppress(FileNotFoundError):
        kept = json.loads(KEPT.read_text())
        if kept["digest"] == digest:
            return _from_json(kept)
    KEPT.parent.mkdir(exist_ok=True)
    child = Child(_measure, _LIMIT)
    child.connection.poll(_LIMIT)
    outcome = child.finish()
    if outcome.status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(f"pytest ended with {outcome.status} {outcome.failed}, without any change")
    made = json.loads(KEPT.read_text())
    KEPT.write_text(json.dumps({**made, "digest": digest}))
    return _from_json(made)


class _Recorder:
    """A pytest plugin that tells coverage which test runs, and takes its time."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    @contextlib.contextmanager
    def _context(self, name: str) -> Iterator[None]:
        self._measured.switch_context(name)
        try:
            yield
        finally:
            self._measured.switch_context("")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        with self._context(f"setup {item.nodeid}"):
            return (yield)  # type: ignore[return-value]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        with self._context(f"call {item.nodeid}"):
            return (yield)  # type: ignore[return-value]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        with self._context(f"call {item.nodeid}"):
            return (yield)  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)


def _measure() -> Outcome:
    os.environ["COVERAGE_CORE"] = "ctrace"  # the only one whose contexts may change at any moment
    modules = core_modules()
    with tempfile.NamedTemporaryFile(suffix=".coverage") as file:
        measured = coverage.Coverage(
            data_file=file.name, include=[str(ROOT / module.path) for module in modules], config_file=False
        )
        recorder = _Recorder(measured)
        measured.start()
        status = run_tests(FAST_TESTS, [recorder])
        measured.stop()
        for test in recorder.failed:
            del recorder.seconds[test]
        lines = {module.path: _tests_by_line(measured, ROOT / module.path, recorder.seconds) for module in modules}
    KEPT.write_text(
        json.dumps({"digest": "", "seconds": recorder.seconds, "failed": sorted(recorder.failed), "lines": lines})
    )
    return Outcome(status)


def _tests_by_line(measured: coverage.Coverage, file: Path, tests: dict[str, float]) -> dict[int, list[str]]:
    """Return the tests that run each line. What a setup runs concerns all of its file: a fixture may be shared."""
    found = {}
    for line, contexts in measured.get_data().contexts_by_lineno(str(file)).items():
        names: set[str] = set()
        for context in contexts:
            phase, _, name = context.partition(" ")
            if phase == "call":
                names.update({name} & tests.keys())
            elif phase == "setup":
                names.update(test for test in tests if _file(test) == _file(name))
            else:
                names.add(_IMPORT)
        if names:
            found[line] = sorted(names)
    return found


def _file(test: str) -> str:
    return test.partition("::")[0]


def _digest() -> str:
    digest = hashlib.sha256()
    for path in all_sources():
        digest.update(f"{path.relative_to(ROOT)} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _from_json(kept: dict[str, Any]) -> Trace:
    lines = {path: {int(line): tests for line, tests in found.items()} for path, found in kept["lines"].items()}
    return Trace(kept["seconds"], kept["failed"], lines)
