"""What both doctors share says what is wrong, and what to do."""

import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck_common.core.spec import Output, Spec
from limbeck_common.runtime.model_check import check_device, check_model
from limbeck_common.support import diagnostics
from limbeck_common.support.diagnostics import Finding, Level, check_folder, check_versions, show

SPEC = Spec(output=Output(width=3), sample_shape=(6,), sample_dtype="<f4", open_rows=10)
ROWS = np.zeros((2, 6), np.float32)


def levels(findings: Any) -> list[Level]:
    return [finding.level for finding in findings]


def test_a_line_has_the_level_the_finding_and_the_remedy() -> None:
    said: list[str] = []
    assert show([Finding(Level.OK, "fine"), Finding(Level.WARN, "hm", "look")], said.append) == 0
    assert show([Finding(Level.FAIL, "no", "mend it"), Finding(Level.OK, "fine")], said.append) == 1
    assert said == ["OK    fine", "WARN  hm; look", "FAIL  no; mend it", "OK    fine"]


def test_a_package_that_is_missing_is_named() -> None:
    assert levels(check_versions(["numpy"])) == [Level.OK, Level.OK]
    missing = [finding for finding in check_versions(["no-such-package"]) if finding.level is Level.FAIL]
    assert missing == [Finding(Level.FAIL, "package no-such-package is not installed", "pip install no-such-package")]


def test_an_old_python_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "_OLDEST", (99, 0))
    assert levels(check_versions([]))[0] is Level.FAIL


def test_a_folder_that_is_not_there_yet_is_tried_where_it_would_be_made(tmp_path: Path) -> None:
    assert Level.FAIL not in levels(check_folder("store", tmp_path / "a" / "b"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_one_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (finding,) = check_folder("store", tmp_path / "file")
    assert finding.level is Level.FAIL
    assert "cannot write in" in finding.said


def test_a_slow_and_a_full_disk_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["free"])  # noqa: PYI024
    monkeypatch.setattr(diagnostics, "_SLOW_FLUSH", 0.0)
    for free, level in ((10**10, Level.OK), (10**8, Level.WARN), (10**6, Level.FAIL)):
        monkeypatch.setattr(diagnostics.shutil, "disk_usage", lambda _, free=free: usage(free))
        assert levels(check_folder("store", tmp_path)) == [Level.WARN, level]
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    (finding,) = check_folder("store", tmp_path)
    assert "Input/output error" in finding.said


@pytest.mark.parametrize(
    ("model", "level", "said"),
    [
        ("support.tiny:learner", Level.OK, "can be built and predicts 3 classes"),
        ("vgg", Level.FAIL, "unknown model 'vgg'"),
        ("nowhere:model", Level.FAIL, "cannot load 'nowhere:model'"),
        ("checked_models:narrow", Level.FAIL, "predicts [2, 2] for 2 rows"),
        ("checked_models:Silent", Level.WARN, "does not predict before training: RuntimeError: not yet"),
    ],
)
def test_a_model_is_built_and_tried(
    model: str, level: Level, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checked_models.py").write_text(
        "import numpy as np\n"
        "class Silent:\n"
        "    def distill(self): pass\n"
        "    def predict(self, x): raise RuntimeError('not\\nyet')\n"
        "def narrow():\n"
        "    made = Silent()\n"
        "    made.predict = lambda x: np.ones((len(x), 2))\n"
        "    return made\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    finding = check_model(model, SPEC, ROWS, "cpu")
    assert finding.level is level
    assert said in finding.said


def test_a_device_that_is_not_there_is_a_failure() -> None:
    pytest.importorskip("torch")
    assert check_device("cnn", "cpu").level is Level.OK
    assert check_device("cnn", "abacus").level is Level.FAIL
    assert "needs no torch" in check_device("forest", "abacus").said
