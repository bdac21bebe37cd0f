"""The mutation tester changes what it should and nothing else, and its list of equivalents is up to date."""

from pathlib import Path

import pytest
from mutation.core import Module, core_modules
from mutation.equivalent import equivalents
from mutation.mutants import choose, mutants

SOURCE = '''\
"""A docstring with 1 number."""

from dataclasses import dataclass

LIMIT = 64
Union = int | None


@dataclass(frozen=True)
class Holder:
    size: int = 3


def check(first: int | str, second: int) -> bool:
    """Another with 2."""
    if first >= second:
        raise ValueError(f"{first + 1} is above", 7)
    log.info("checked", number=8)
    store(first, second)
    return not any(first)
'''


def texts(source: str, folder: Path) -> set[tuple[str, str]]:
    path = folder / "example.py"
    path.write_text(source)
    return {(mutant.was, mutant.becomes) for mutant in mutants(Module(str(path)))}


def test_operators_constants_statements_and_calls_are_changed_and_nothing_else(tmp_path: Path) -> None:
    assert texts(SOURCE, tmp_path) == {
        ("LIMIT = 64", "LIMIT = 65"),
        ("LIMIT = 64", "LIMIT = 63"),
        ("size: int = 3", "size: int = 4"),
        ("size: int = 3", "size: int = 2"),
        ("first >= second", "first > second"),
        ("first >= second", "not first >= second"),
        ("raise ValueError(f'{first + 1} is above', 7)", "pass"),
        ("store(first, second)", "pass"),
        ("store(first, second)", "store(second, first)"),
        ("return not any(first)", "return None"),
        ("return not any(first)", "return any(first)"),
        ("return not any(first)", "return not all(first)"),
    }


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a = b and c", {"a = b or c", "a = b", "a = c"}),
        ("a = b + c", {"a = b - c"}),
        ("a = b + 'c'", set()),
        ("a = isinstance(b, int | str)", set()),
        ("a = max(b, c)", {"a = min(b, c)"}),
        ("a = b if c else d", {"a = b if not c else d"}),
        ("a = [b for b in c if b < d]", {"b <= d", "not b < d"}),
        ("a = True", {"a = False"}),
        ("a = f(b, expected=3)", set()),
    ],
)
def test_an_expression_is_changed_in_each_of_its_ways(source: str, changes: set[str], tmp_path: Path) -> None:
    assert {becomes for _, becomes in texts(source, tmp_path)} == changes


def test_the_same_seed_chooses_the_same_changes_also_after_an_edit_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    chosen = []
    for above in ("", "X = 1\n\n\n"):
        path.write_text(f"{above}def f(a, b):\n    return a < b and a + b > 3\n")
        found = [mutant for mutant in mutants(Module(str(path))) if mutant.function]
        assert len(found) > 5
        chosen.append([mutant.becomes for mutant in choose(found, 3, seed=3)])
    assert chosen[0] == chosen[1]


def test_every_known_equivalent_is_a_change_that_the_code_still_has() -> None:
    keys = {mutant.key for module in core_modules() for mutant in mutants(module)}
    assert [key for key in equivalents() if key not in keys] == []
