"""Whatever ends a client, its model is saved; what its owner holds is let go of only when the federation has ended."""

import asyncio
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from structlog.testing import capture_logs

from limbeck_client.participation import take_part
from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.runner import Runner
from limbeck_client.runtime import InProcessRuntime
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import (
    ConflictError,
    EndedError,
    LimbeckError,
    SettingsError,
    UnreachableError,
    UserCodeError,
)
from limbeck_common.core.messages import Ended, Uplink
from limbeck_common.wire.digest import parts_digest

PARTS = {"labels": soft_labels(Rows(np.arange(1)), np.array([[0.5, 0.5]], np.float32))}
FINISHED = Ended("finished", "all rounds done")
ENDINGS: list[LimbeckError] = [
    EndedError("stopped"),
    UnreachableError("away"),
    ConflictError("other"),
    UserCodeError("crash"),
]


class Ends:
    """A runner that ends in one way."""

    def __init__(self, ending: Ended | BaseException) -> None:
        self._ending = ending

    async def run(self) -> Ended:
        if isinstance(self._ending, BaseException):
            raise self._ending
        return self._ending


class Saves:
    """A runtime that has a model to save, or has none, or cannot save it."""

    name = "a"

    def __init__(self, model: Path | LimbeckError | None) -> None:
        self.folders: list[Path] = []
        self._model = model

    def save(self, folder: Path) -> Path | None:
        self.folders.append(folder)
        if isinstance(self._model, LimbeckError):
            raise self._model
        return self._model


class Scene:
    def __init__(self, folder: Path, ending: Ended | BaseException, model: Path | LimbeckError | None) -> None:
        self.runtime = Saves(model)
        self.guard = ReleaseGuard.of(folder, Policy(), review=True)
        self.said: list[str] = []
        self._ending = ending
        assert self.guard.release(Uplink("f", "a", 1, PARTS, {}, parts_digest(PARTS))) is None

    def play(self, out: Path | None) -> Ended:
        runner, runtime = cast("Runner", Ends(self._ending)), cast("InProcessRuntime", self.runtime)
        return asyncio.run(take_part(runner, runtime, self.guard, out, self.said.append))

    @property
    def holds(self) -> bool:
        return (self.guard.review_queue.folder / "held.json").exists()


OUT, MODEL = Path("out"), Path("out/model.safetensors")


def test_at_the_end_the_final_model_is_saved_and_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FINISHED, MODEL)
    assert scene.play(OUT) == FINISHED
    assert scene.runtime.folders == [OUT]
    assert scene.said == [f"final model: {MODEL}"]
    assert not scene.holds


@pytest.mark.parametrize("error", ENDINGS)
def test_whatever_ends_a_client_its_model_is_saved(tmp_path: Path, error: LimbeckError) -> None:
    scene = Scene(tmp_path, error, MODEL)
    with pytest.raises(type(error), match=error.wrong):
        scene.play(OUT)
    assert scene.runtime.folders == [OUT]
    ended = isinstance(error, EndedError)
    assert scene.said == [f"{'final model' if ended else 'model of the last finished round'}: {MODEL}"]
    assert scene.holds is not ended


@pytest.mark.parametrize("ending", [FINISHED, *ENDINGS])
def test_without_a_model_nothing_is_said(tmp_path: Path, ending: Any) -> None:
    scene = Scene(tmp_path, ending, None)
    if isinstance(ending, LimbeckError):
        with pytest.raises(type(ending), match=ending.wrong):
            scene.play(OUT)
    else:
        assert scene.play(OUT) == FINISHED
    assert scene.runtime.folders == [OUT]
    assert scene.said == []


def test_a_model_that_cannot_be_saved_does_not_hide_why_the_client_ended(tmp_path: Path) -> None:
    scene = Scene(tmp_path, UnreachableError("away"), SettingsError("disk full"))
    with capture_logs() as logs, pytest.raises(UnreachableError):
        scene.play(OUT)
    assert [(log["event"], log["log_level"], log["client"], log["why"]) for log in logs] == [
        ("the model could not be saved", "warning", "a", "disk full")
    ]
    assert scene.said == []
    scene = Scene(tmp_path, FINISHED, SettingsError("disk full"))
    with pytest.raises(SettingsError, match="disk full"):
        scene.play(OUT)


def test_a_bug_or_an_interrupt_saves_nothing(tmp_path: Path) -> None:
    for error in (ValueError("a bug"), KeyboardInterrupt()):
        scene = Scene(tmp_path, error, MODEL)
        with pytest.raises(type(error)):
            scene.play(OUT)
        assert scene.runtime.folders == []
        assert scene.holds
