"""A run of pytest over chosen tests, and the import hook that gives it a changed module."""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
from collections.abc import Collection, Sequence
from types import CodeType
from typing import Any

import pytest

from mutation.core import ROOT, Module


def run_tests(arguments: Sequence[str], plugins: Sequence[object]) -> int:
    """Run pytest, as each run here needs it."""
    fixed = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*fixed, *arguments], plugins=list(plugins)))


class Selection:
    """A pytest plugin that runs only the given tests, in the order of their files, and remembers what failed."""

    def __init__(self, tests: Collection[str], limits: dict[str, float]) -> None:
        self._tests, self._limits = frozenset(tests), limits
        self.failed, self.hung = "", False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._tests]
        for item in chosen:
            item.add_marker(pytest.mark.timeout(self._limits[item.nodeid]))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self._tests])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed, self.hung = report.nodeid, "Timeout (>" in str(report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Substitute(importlib.abc.MetaPathFinder):
    """An import hook that gives a module another body."""

    def __init__(self, module: Module, tree: ast.Module) -> None:
        self._module, self._tree = module, tree

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module.name:
            return None
        file = str(ROOT / self._module.path)
        return importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, file, self._tree))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, file: str, tree: ast.Module) -> None:
        super().__init__(name, file)
        self._tree = tree

    def get_code(self, _: str) -> CodeType:
        return compile(self._tree, self.path, "exec")
