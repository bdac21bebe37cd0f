"""A user's own objects are found by name, and called with what their signature asks for."""

from pathlib import Path

import pytest

from limbeck_common.core.errors import UserCodeError
from limbeck_common.support.plugins import call_plugin, is_plugin, load_plugin


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_plugin.py").write_text(
        "number = 5\n"
        "def takes(seed): return ('seed', seed)\n"
        "def takes_none(): return 'nothing'\n"
        "def fails(part): raise KeyError('no such part')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(("text", "true"), [("a.b:c", True), ("cnn", False), (":c", False), ("a:", False)])
def test_a_plugin_has_a_module_and_an_attribute(text: str, true: bool) -> None:  # noqa: FBT001 - a table's value
    assert is_plugin(text) is true


def test_it_is_called_with_what_it_asks_for_alone() -> None:
    assert call_plugin("own_plugin:takes", seed=3, part=1) == ("seed", 3)
    assert call_plugin("own_plugin:takes_none", seed=3, part=1) == "nothing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere:model", "cannot load 'nowhere:model': ModuleNotFoundError"),
        ("own_plugin:missing", "cannot load 'own_plugin:missing': AttributeError"),
        ("own_plugin:number", "'own_plugin:number', of type int, cannot be called; expected a function or a class"),
    ],
)
def test_what_cannot_be_found_or_called_is_named(text: str, said: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        load_plugin(text)
    assert said in str(caught.value)


def test_an_error_in_it_is_the_users() -> None:
    with pytest.raises(UserCodeError, match="own_plugin:fails raised KeyError: 'no such part'; fix it and start again"):
        call_plugin("own_plugin:fails", part=7)
