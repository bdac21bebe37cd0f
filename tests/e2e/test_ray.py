"""A simulation on a Ray cluster of two nodes, one of which is lost in the middle of it: the bits of one machine.

`make test-long` runs it where Ray is installed: pip install 'limbeck[ray]'.
"""

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is an extra of some hundred megabytes, and not part of `make test`")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # Ray leaves files open
]
CHOICES = ["--method", "dsfl", "--clients", "4", "--model", "mlp", "--workers", "2", "--no-alone", "--seed", "1"]
SETTINGS = ["--set", "federation.rounds=6", "--set", "recipe.fit.epochs=20", "--set", "data.private=400"]


def simulation(folder: Path, engine: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "limbeck_lab.cli.main", "simulate", *CHOICES, *SETTINGS]
    return subprocess.Popen(
        [*command, "--engine", engine, "--run-dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def models(folder: Path) -> dict[str, str]:
    found = sorted(folder.glob("models/*/model.safetensors"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture
def cluster() -> Any:
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - where Ray is installed

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield made
    made.shutdown()


def test_a_node_lost_in_the_middle_changes_no_bit(tmp_path: Path, cluster: Any) -> None:
    local = simulation(tmp_path / "local", "local")
    _, errors = local.communicate(timeout=300)
    assert local.returncode == 0, errors[-3000:]
    other = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    began = time.monotonic()
    run = simulation(tmp_path / "ray", f"ray://{cluster.address}")
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("round   2"):
            cluster.remove_node(other, allow_graceful=False)
            break
    _, errors = run.communicate(timeout=500)
    assert run.returncode == 0, errors[-3000:]
    assert "a worker was lost; it starts again elsewhere" in errors
    assert len(models(tmp_path / "local")) == 5
    assert models(tmp_path / "ray") == models(tmp_path / "local")
    sys.stdout.write(f"two nodes, one lost: {time.monotonic() - began:.0f} s\n")
