"""Five architectures in one federation: each gains over training alone, and the table says by how much."""

import re
from pathlib import Path

import pytest
from support.processes import run

from limbeck_lab.format import percent, points
from limbeck_lab.results.metrics_file import read

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
OWNERS_PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"
MODELS = ("cnn", "mlp", "resnet8", "my_site:model", "forest")


@pytest.mark.parametrize("method", ["dsfl", pytest.param("fedmd", marks=pytest.mark.long)])  # one in the short set
def test_five_architectures_all_gain(tmp_path: Path, method: str) -> None:
    """A convolutional, a dense and a residual network, a data owner's own, and a forest, which has no gradient."""
    (tmp_path / "my_site.py").write_text(re.findall(r"```python\n(.*?)```", OWNERS_PAGE.read_text(), re.DOTALL)[0])
    words = [word for model in MODELS for word in ("--model", model)]
    words += [
        "--clients",
        "5",
        "--rounds",
        "5",
        "--alpha",
        "0.3",
        "--set",
        "model.name=mlp",
        "--set",
        "recipe.evaluate_every=0",
        "--set",
        f"method.name={method}",
    ]
    words += ["--set", "method.options.transfer=0"] if method == "fedmd" else []  # alone nobody has the open labels
    done = run("limbeck_lab.cli.main", "simulate", *words, "--run-dir", "run", cwd=tmp_path, seconds=280)
    assert done.returncode == 0, done.stderr
    summary = read(tmp_path / "run").summary
    assert summary is not None
    assert [client.model for client in summary.clients] == list(MODELS)
    for client in summary.clients:
        assert client.gain is not None
        assert client.gain > 0, done.stdout
        shown = [client.name, client.model, percent(client.alone), percent(client.federated), points(client.gain)]
        assert re.search(" +".join(map(re.escape, shown)), done.stdout), done.stdout
