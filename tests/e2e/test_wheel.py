"""The wheel has all that a user needs: programs, types, templates, and every example runs on it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "installed")
    return folder / "installed"


def run_on(installed: Path, *words: str, cwd: Path) -> str:
    """Run Python with the wheel's packages in front of all others, outside of the repository."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_package_of_the_wheel_is_typed_and_is_what_runs(installed: Path, tmp_path: Path) -> None:
    for package in ("limbeck", "limbeck_common", "limbeck_server", "limbeck_client", "limbeck_lab"):
        assert (installed / package / "py.typed").exists()
        where = run_on(installed, "-c", f"import {package}; print({package}.__file__)", cwd=tmp_path)
        assert Path(where.strip()).is_relative_to(installed)


def test_a_new_folder_and_a_report_come_out_of_it(installed: Path, tmp_path: Path) -> None:
    lab = ("-m", "limbeck_lab.cli.main")
    run_on(installed, *lab, "init", "method", "mine", cwd=tmp_path)
    run_on(installed, *lab, "init", "site", "ward", cwd=tmp_path)
    words = ("--method", "my_method:MyMethod", "--rounds", "1", "--clients", "2", "--model", "mlp", "--no-alone")
    said = run_on(installed, *lab, "simulate", *words, "--run-dir", "run", cwd=tmp_path / "mine")
    assert "report: run/report.html" in said
    assert run_on(
        installed,
        "-m",
        "limbeck_client.cli.main",
        "predict",
        "run/models/client-0",
        "--part",
        "0",
        cwd=tmp_path / "mine",
    ).startswith("accuracy ")


def test_an_example_runs_on_it(installed: Path, tmp_path: Path) -> None:
    assert "finished" in run_on(installed, str(ROOT / "examples" / "embedded.py"), cwd=tmp_path)
