"""`limbeck-lab conformance`: our own client passes; one that gives up at the first failure is found out."""

import sys
from pathlib import Path

import pytest
from support.processes import run

from limbeck_lab.conformance.trial import Situation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]
JOIN = ["-m", "limbeck_client.cli.main", "join", "{address}", "--name", "a", "--part", "0", "--model", "mlp"]


def test_our_client_survives_every_situation(tmp_path: Path) -> None:
    own = [sys.executable, *JOIN, "--state", str(tmp_path / "state"), "--out", str(tmp_path / "out")]
    done = run("limbeck_lab.cli.main", "conformance", "--log", str(tmp_path / "log"), "--", *own, seconds=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"passed  {each}" for each in Situation]


def test_a_client_without_patience_or_memory_is_found_out(tmp_path: Path) -> None:
    own = [sys.executable, *JOIN, "--state", str(tmp_path / "state"), "--patience", "0"]
    words = ["--log", str(tmp_path / "log"), "--seconds", "60", "--", *own]
    done = run("limbeck_lab.cli.main", "conformance", *words, seconds=120)
    assert done.returncode == 1
    assert "passed  idle" in done.stdout
    assert "FAILED  lost receipt" in done.stdout
    assert "FAILED  ended: the federation has ended; expected an end with status 0; found status" in done.stdout
    assert str(tmp_path / "log") in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--", "true"], "write {address} there"),
        (["--", str(Path("/nowhere/client")), "{address}"], "cannot start /nowhere/client"),
    ],
)
def test_a_command_that_cannot_be_tried_is_refused_in_a_line(tmp_path: Path, words: list[str], said: str) -> None:
    done = run("limbeck_lab.cli.main", "conformance", "--log", str(tmp_path / "log"), *words, seconds=60)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
