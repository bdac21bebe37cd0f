from pathlib import Path

import pytest

from limbeck_lab.compare.own_code import is_changed, own_code, write


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "my_tempered_method.py"
    path.write_text("class Method: ...\n")
    return path


def test_own_code_is_named_by_its_content(module: Path) -> None:
    names = ["dsfl", None, "my_tempered_method:Method"]
    before = own_code(names)
    assert len(before) == 64
    module.write_text("class Method: temperature = 2\n")
    assert own_code(names) not in {before, ""}


def test_built_in_names_and_unknown_modules_have_no_code() -> None:
    assert own_code(["dsfl", "cnn", None, "no_such_module:Method", "no.such.package:Method"]) == ""


def test_a_run_is_changed_where_its_code_is_another(tmp_path: Path) -> None:
    assert not is_changed(tmp_path / "run", "ab")
    write(tmp_path / "run", "ab")
    assert not is_changed(tmp_path / "run", "ab")
    assert is_changed(tmp_path / "run", "cd")
