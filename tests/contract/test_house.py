"""The house keeps its bounds: file sizes, full folders, retired words, exceptions to the linter, mirrored tests."""

from collections import Counter
from pathlib import Path, PurePosixPath

import house.__main__ as command
import pytest
from house.bounds import broken
from house.files import File
from house.words import found


@pytest.fixture(scope="module")
def breaches() -> dict[str, list[str]]:
    return broken()


@pytest.mark.parametrize("bound", ["long files", "full folders", "retired words", "noqa", "tests of each module"])
def test_every_bound_holds(bound: str, breaches: dict[str, list[str]]) -> None:
    assert breaches[bound] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("the pupil's labels", ["pupil"]),
        ("Pupils = 3", ["pupils"]),
        ("ground = 3", ["ground"]),
        ("class RoundGround: ...", ["ground"]),
        ("background = 3", []),
        ("# the ground truth of both parties", ["parties"]),
        ("Bench = 3", ["Bench"]),
        ("bench = 3", []),
        ("# NeurIPS 2022 Workshop on Federated Learning, and a third party", []),
        ("def test_that_the_one_who_is_told_knows(): ...", []),
    ],
)
def test_a_retired_word_is_found_where_it_may_not_stand(line: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(f"{line}\n")
    said = found([File(PurePosixPath(path))])
    assert [each.rpartition(": ")[2].partition(" ->")[0] for each in said] == words


def test_a_file_with_a_retired_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "intake.py").touch()
    assert len(found([File(PurePosixPath(tmp_path / "intake.py"))])) == 1


def test_the_command_prints_each_count_and_ends_with_1_where_a_bound_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "import_contracts", lambda: (7, 0))
    monkeypatch.setattr(
        command, "tests_by_file", lambda: Counter({"tests/unit/test_a.py": 800, "tests/e2e/test_b.py": 100})
    )
    monkeypatch.setattr(command, "out_of_date", lambda _: [])
    monkeypatch.setattr(command, "broken", lambda: {"noqa": ["74 lines with noqa; expected at most 73"]})
    assert command.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert "import contracts: 7 kept, 0 broken" in lines
    assert "tests: 900 (unit 800, e2e 100)" in lines
    assert lines[-1] == "broken: 74 lines with noqa; expected at most 73"
