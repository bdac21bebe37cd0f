"""What `limbeck-lab init` makes runs and passes its own tests as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
LAB = "limbeck_lab.cli.main"


@pytest.mark.parametrize("what", ["method", "site"])
def test_a_new_folder_passes_its_own_tests(what: str, tmp_path: Path) -> None:
    done = run(LAB, "init", what, "mine", cwd=tmp_path)
    assert done.stdout.startswith("mine: README.md, "), done.stderr
    tried = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=tmp_path / "mine",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout
    again = run(LAB, "init", what, "mine", cwd=tmp_path)
    assert again.returncode == 1
    assert "mine has README.md already; expected a folder without it" in again.stderr


def test_a_new_method_is_simulated(tmp_path: Path) -> None:
    assert run(LAB, "init", "method", ".", cwd=tmp_path).returncode == 0
    words = ["--rounds", "1", "--clients", "2", "--model", "mlp", "--no-alone"]
    done = run(LAB, "simulate", "--method", "my_method:MyMethod", *words, cwd=tmp_path, seconds=200)
    assert done.returncode == 0, done.stderr
