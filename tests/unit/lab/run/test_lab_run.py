"""A run's folder and its settings.json."""

import json
from pathlib import Path

import pytest

from limbeck_common.core.errors import SettingsError
from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.lab_run import LabRun, make_run_folder, timed_folder, write_settings
from limbeck_server.open_data import find_open_data
from limbeck_server.settings import load
from limbeck_server.specification import make_spec


def test_a_run_needs_a_folder_without_another(tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path / "run")
    assert (folder / "models").is_dir()
    (folder / "metrics.jsonl").touch()
    with pytest.raises(SettingsError, match="holds a run already; expected a new folder"):
        make_run_folder(folder)


def test_a_folder_that_was_not_named_has_the_time() -> None:
    folder = timed_folder("demo")
    assert folder.parent == Path("runs")
    assert folder.name.startswith("demo-20")


def test_settings_json_holds_settings_specification_and_models(tmp_path: Path) -> None:
    settings = load(None, {"data.dataset": "digits", "federation.rounds": "3"})
    spec = make_spec(settings, find_open_data(settings))
    run = LabRun(settings, make_clients(("cnn", "mlp"), 11), tmp_path, 1, alone=False, show=print)
    write_settings(run, spec)
    content = json.loads((tmp_path / "settings.json").read_text())
    assert content["settings"]["federation"]["rounds"] == content["spec"]["rounds"] == 3
    assert list(content["models"])[:2] == ["client-00", "client-01"]
    assert content["models"]["client-10"] == "cnn"
