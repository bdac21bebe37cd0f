"""The lab's programs: a short demo over real processes, and a simulation, each with all that it leaves behind."""

import json
import signal
from pathlib import Path

import pytest
from support.processes import Farm, run, until

from limbeck_lab.results.metrics_file import read

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SHORT = ["--rounds", "2", "--set", "recipe.fit.epochs=1", "--set", "recipe.distill.epochs=1"]


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
    assert len(list((folder / "models").glob("*/model.*"))) == clients + 1
    assert "<svg" in (folder / "report.html").read_text()


def test_the_demo_runs_real_processes_to_the_end(tmp_path: Path) -> None:
    done = run("limbeck_lab.cli.main", "demo", *SHORT, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 0, done.stderr
    assert "finished: all 2 rounds done" in done.stdout
    summary = read(tmp_path / "run").summary
    assert summary is not None
    assert all(client.alone is not None for client in summary.clients)
    check_run(tmp_path / "run", 5, "on the socket")
    assert (tmp_path / "run" / "logs" / "server.log").read_text().count('"event": "enrolled"') == 5


def test_a_simulation_with_partial_participation_runs_to_the_end(tmp_path: Path) -> None:
    arguments = ["--clients", "6", "--model", "mlp", "--no-alone", "--set", "round.sample_ratio=0.5"]
    done = run("limbeck_lab.cli.main", "simulate", *SHORT, *arguments, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 0, done.stderr
    results = read(tmp_path / "run")
    assert [each.participants for each in results.rounds] == [3, 3]
    assert results.summary is not None
    assert all(client.federated is not None for client in results.summary.clients)


def test_a_run_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    done = run("limbeck_lab.cli.main", "simulate", "--run-dir", str(tmp_path))
    assert done.returncode == 1
    assert "holds a run already" in done.stderr


def test_a_federation_that_fails_ends_its_simulation_with_a_line(tmp_path: Path) -> None:
    arguments = ["--clients", "2", "--model", "mlp", "--set", "round.count.min=2"]
    arguments += ["--set", "round.time.max=0.01", "--set", "round.extensions=0"]
    done = run("limbeck_lab.cli.main", "simulate", *SHORT, *arguments, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("limbeck-lab: the federation failed: ")
    assert " of at least 2 uplinks at the deadline; missing client-" in done.stderr
    assert "Traceback" not in done.stderr
    summary = read(tmp_path / "run").summary
    assert summary is not None
    assert summary.state == "failed"


@pytest.mark.long  # the plan, what is done already and the table have unit tests
@pytest.mark.timeout(600)
def test_a_comparison_that_was_stopped_goes_on_to_the_same_figures(farm: Farm, tmp_path: Path) -> None:
    command = ["compare", "--methods", "dsfl,dsfl:aggregation=sa", "--seeds", "1", "--clients", "2", "--model", "mlp"]
    command += ["--set", "model.name=mlp", "--target", "0.5", *SHORT]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    stopped = farm.start("limbeck_lab.cli.main", *command, "--jobs", "1", "--run-dir", str(cut))
    until((cut / "dsfl-aggregation=sa" / "seed-0" / "settings.json").exists, seconds=280)
    stopped.send_signal(signal.SIGTERM)
    farm.wait(stopped, code=130)
    kept = (cut / "dsfl" / "seed-0" / "metrics.jsonl").read_bytes()
    assert read(cut / "dsfl-aggregation=sa" / "seed-0").summary is None

    refused = run("limbeck_lab.cli.main", *command, "--rounds", "3", "--run-dir", str(cut), seconds=280)
    assert refused.returncode == 1
    assert "federation.rounds is 2 there and 3 here" in refused.stderr

    resumed = run("limbeck_lab.cli.main", *command, "--run-dir", str(cut), seconds=280)
    assert resumed.returncode == 0, resumed.stderr
    assert "1 of 2 runs are done already" in resumed.stdout
    assert (cut / "dsfl" / "seed-0" / "metrics.jsonl").read_bytes() == kept
    undisturbed = run("limbeck_lab.cli.main", *command, "--run-dir", str(whole), seconds=280)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert metrics(cut) == metrics(whole)
    assert "<svg" in (cut / "report.html").read_text()
    assert run("limbeck_lab.cli.main", "report", str(cut), seconds=280).stdout == f"{cut / 'report.html'}\n"


def metrics(comparison: Path) -> str:
    """Everything but the seconds."""
    found = json.loads((comparison / "comparison.json").read_text())
    for score in found["scores"]:
        del score["seconds"]
        for each in score["runs"]:
            del each["seconds"]
    return json.dumps(found)


def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    variants = tmp_path / "variants.toml"
    variants.write_text(
        '[variants.broken]\nmethod = "dsfl"\nmodel = "nowhere:model"\n[variants.whole]\nmethod = "dsfl"\n'
    )
    command = ["compare", "--variants", str(variants), "--seeds", "1", "--clients", "2", "--model", "mlp", *SHORT]
    done = run("limbeck_lab.cli.main", *command, "--run-dir", str(tmp_path / "run"), seconds=280)
    assert done.returncode == 1
    assert "1 of 2 runs failed" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "broken seed 0 ended with status 1" in done.stdout
    assert "No module named 'nowhere'" in done.stdout
    assert "whole seed 0: server" in done.stdout
