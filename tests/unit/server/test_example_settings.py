"""deploy/federation.toml names every setting, at its default: what it says of the daemon cannot go stale."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from limbeck_common.methods.registry import make_method
from limbeck_server.settings import Settings, load

EXAMPLE = Path(__file__).parents[3] / "deploy" / "federation.toml"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("LIMBECK_"):
            monkeypatch.delenv(name)


def uncommented() -> str:
    """The example with the keys that have no default, and the method's options, put in."""
    return re.sub(r"^# (?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def keys(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict) and f"{prefix}{name}" not in {"method.options", "recipe.server"}:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_example_loads_and_changes_nothing() -> None:
    assert load(EXAMPLE, {}) == Settings()


def test_the_example_names_every_setting() -> None:
    assert sorted(leaves(tomllib.loads(uncommented()))) == sorted(keys(Settings))


def test_what_it_leaves_commented_out_can_be_put_in(tmp_path: Path) -> None:
    file = tmp_path / "federation.toml"
    file.write_text(uncommented())
    settings = load(file, {})
    assert settings.data_dir is not None
    assert settings.open.source is not None
    method = make_method(settings.method)
    assert method == make_method(Settings().method)
    assert set(settings.method.options) == set(type(method).model_fields)  # type: ignore[attr-defined]
