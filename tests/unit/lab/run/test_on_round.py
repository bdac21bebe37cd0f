"""What a user's code gets of each round, and what is said of one that fails; the ready-made writers."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_lab.run.on_round import Round, make_hook

ROUND = Round(2, 1.5, 3, 2, 400, 300, {"a": {"accuracy": 0.5}, "b": {"accuracy": 1.0, "loss": None}}, {"loss": 0.25})
SEEN: list[Any] = []


class Collector:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, closed: Round) -> None:
        SEEN.append((self.folder, closed))


def plain(closed: Round) -> None:
    SEEN.append(closed)


def failing(closed: Round) -> None:
    raise ValueError(f"no room for {closed.number}")


def test_numbers_are_grouped_and_clients_averaged() -> None:
    assert ROUND.scalars() == {
        "clients/accuracy": 0.75,
        "server/loss": 0.25,
        "bytes/up": 400,
        "bytes/down": 300,
        "seconds": 1.5,
    }


def test_a_function_is_called_and_a_class_is_made_first(tmp_path: Path) -> None:
    SEEN.clear()
    make_hook(f"{__name__}:plain", tmp_path)(ROUND)
    make_hook(f"{__name__}:Collector", tmp_path)(ROUND)
    make_hook(None, tmp_path)(ROUND)
    kept = SEEN[1][0], type(SEEN[1][1]).__name__
    assert (SEEN[0].number, *kept, len(SEEN)) == (2, tmp_path, "Round", 2)


def test_a_callable_that_raises_is_named_with_the_round(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="failing raised ValueError on round 2: no room for 2; mend it"):
        make_hook(f"{__name__}:failing", tmp_path)(ROUND)


class Fake:
    """Stands for the library's object: its calls are kept. The libraries are large, and no test needs more of them."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named, self.calls = given, named, list[Any]()
        SEEN.append(self)

    def add_scalar(self, *given: Any) -> None:
        self.calls.append(given)

    def flush(self) -> None:
        self.calls.append("flushed")

    def log(self, values: dict[str, float], step: int) -> None:
        self.calls.append((values, step))


def test_tensorboard_gets_every_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    SEEN.clear()
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.delitem(sys.modules, "limbeck_lab.writers.tensorboard_writer", raising=False)
    make_hook("tensorboard", tmp_path)(ROUND)
    (writer,) = SEEN
    assert writer.given == (str(tmp_path / "tensorboard"),)
    assert writer.calls == [*((name, value, 2) for name, value in ROUND.scalars().items()), "flushed"]


def test_weights_and_biases_gets_a_step_per_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    SEEN.clear()
    module = ModuleType("wandb")
    module.init = Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delitem(sys.modules, "limbeck_lab.writers.wandb_writer", raising=False)
    monkeypatch.setenv("WANDB_PROJECT", "hospital")
    make_hook("wandb", tmp_path)(ROUND)
    (run,) = SEEN
    assert run.named == {"dir": tmp_path, "name": tmp_path.name, "project": "hospital"}
    assert run.calls == [(ROUND.scalars(), 2)]


def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.delitem(sys.modules, "limbeck_lab.writers.wandb_writer", raising=False)
    with pytest.raises(SettingsError, match=r"wandb is not installed.*pip install 'limbeck\[wandb\]'"):
        make_hook("wandb", tmp_path)
