"""The lab's programs: a short demo over real processes, and a simulation, each with all that it leaves behind."""

import json
from pathlib import Path

import pytest
from farm import run

from limbeck_lab.results import read

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SHORT = ["--rounds", "2", "--set", "recipe.local_epochs=1", "--set", "recipe.distill_epochs=1"]


def check_run(folder: Path, clients: int, counted: str) -> None:
    results = read(folder)
    assert [each.round for each in results.rounds] == [1, 2]
    assert [each.round for each in results.server] == [1, 2]
    assert results.summary is not None
    assert results.summary.state == "finished"
    assert results.summary.bytes_counted == counted
    assert len(results.summary.clients) == clients
    for client in results.summary.clients:
        assert client.federated is not None
        assert client.bytes_up is not None
        assert client.bytes_up > 2 * 500 * 10 * 4  # two rounds of 500 rows, ten classes, four bytes
    assert json.loads((folder / "settings.json").read_text())["spec"]["rounds"] == 2
    assert len(list((folder / "models").rglob("*.safetensors"))) == clients + 1
    assert "<svg" in (folder / "report.html").read_text()


def test_the_demo_runs_real_processes_to_the_end(tmp_path: Path) -> None:
    done = run("limbeck_lab.cli", "demo", *SHORT, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 0, done.stderr
    assert "finished: all 2 rounds done" in done.stdout
    summary = read(tmp_path / "run").summary
    assert summary is not None
    assert all(client.alone is not None for client in summary.clients)
    check_run(tmp_path / "run", 5, "on the socket")
    assert (tmp_path / "run" / "logs" / "server.log").read_text().count('"event": "enrolled"') == 5


def test_a_simulation_with_partial_participation_runs_to_the_end(tmp_path: Path) -> None:
    arguments = ["--clients", "6", "--model", "mlp", "--no-alone", "--set", "round.sample_ratio=0.5"]
    done = run("limbeck_lab.cli", "simulate", *SHORT, *arguments, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 0, done.stderr
    results = read(tmp_path / "run")
    assert [each.participants for each in results.rounds] == [3, 3]
    assert results.summary is not None
    assert all(client.federated is not None for client in results.summary.clients)


def test_a_run_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    done = run("limbeck_lab.cli", "simulate", "--run-dir", str(tmp_path))
    assert done.returncode == 1
    assert "holds a run already" in done.stderr
