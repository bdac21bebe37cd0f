"""The page that shows a data owner how to join works as it stands."""

import re
from pathlib import Path

import pytest
from support.processes import Farm

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "client" / "README.md"


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
    assert (farm.folder / "out-torch" / "model.safetensors").stat().st_size > 0
    assert '"event": "fetching the open data"' in farm.logs()
