"""The page that shows a data owner how to join works as it stands."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support.processes import Farm, run

pytestmark = pytest.mark.e2e
CLIENT = "limbeck_client.cli.main"
PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"


def measured(farm: Farm, name: str) -> float:
    """Return the accuracy that `predict` finds, in an interpreter of its own, on the test rows of the page's data."""
    done = run(CLIENT, "predict", f"out-{name}", "--data", "my_site:data", cwd=farm.folder)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[0].removeprefix("accuracy "))


def reported(farm: Farm, name: str) -> float:
    """Return the accuracy that a client sent last."""
    sent = [json.loads(line) for line in farm.logs().splitlines() if '"event": "pushed"' in line]
    return [each["accuracy"] for each in sent if each["client"] == name][-1]


def test_the_pages_own_model_and_the_pages_estimator_and_the_pages_training_join(farm: Farm) -> None:
    torch_code, sklearn_code, training_code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(torch_code.splitlines()) < 30
    (farm.folder / "my_site.py").write_text(torch_code)
    (farm.folder / "my_bayes.py").write_text(sklearn_code)
    (farm.folder / "my_training.py").write_text(training_code)
    settings = {
        "federation.rounds": "2",
        "data.open": "200",
        "data.parts": "2",
        "lobby.count.min": "3",
        "lobby.count.max": "3",
        "round.count.min": "3",
        "model.name": "none",
    }
    server, address = farm.server(settings=settings)
    join = ["join", address, "--data", "my_site:data"]
    clients = [
        farm.start(
            "limbeck_client.cli.main", *join, "--name", name, "--model", model, "--out", f"out-{name}", cwd=farm.folder
        )
        for name, model in (("torch", "my_site:model"), ("bayes", "my_bayes:model"), ("own", "my_training:trained"))
    ]
    for process in (*clients, server):
        farm.wait(process)
    for name in ("torch", "bayes", "own"):
        assert measured(farm, name) == pytest.approx(reported(farm, name), abs=5e-5)
    done = run(CLIENT, "export", "out-torch", "torch.onnx", cwd=farm.folder)
    assert done.stdout == "my_site:model: torch.onnx\n", done.stderr
    rows = np.zeros((3, 1, 8, 8), np.uint8)
    np.save(farm.folder / "rows.npy", rows)
    done = run(CLIENT, "predict", "out-torch", "--rows", "rows.npy", cwd=farm.folder)
    (found,) = onnxruntime.InferenceSession(farm.folder / "torch.onnx").run(
        None, {"rows": np.zeros((3, 1, 8, 8), np.uint8)}
    )
    assert np.loadtxt(done.stdout.splitlines(), delimiter=",") == pytest.approx(found, abs=1e-5)
    assert run(CLIENT, "predict", "out-bayes", "--rows", "rows.npy", "--out", "p.npy", cwd=farm.folder).returncode == 0
    assert np.load(farm.folder / "p.npy").shape == (3, 10)
    assert "expected --rows, or one of" in run(CLIENT, "predict", "out-bayes", cwd=farm.folder).stderr
    assert '"event": "fetching the open data"' in farm.logs()
