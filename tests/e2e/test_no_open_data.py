"""Methods that need no open data run without any: the shape of a row is all that the settings give."""

import re
from pathlib import Path

import pytest
from support.processes import Farm, flags, run

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"
SHAPE_ALONE = {
    "federation.rounds": "2",
    "open.sample_shape": "[1, 8, 8]",
    "lobby.count.min": "2",
    "lobby.count.max": "2",
    "round.count.min": "2",
}


@pytest.mark.parametrize(
    "method",
    [
        {"method.name": "fd", "model.name": "none"},
        {"method.name": "datafree", "method.options.epochs": "2", "model.name": "mlp"},
    ],
    ids=lambda settings: settings["method.name"],
)
def test_a_federation_without_open_data(farm: Farm, method: dict[str, str]) -> None:
    (farm.folder / "my_site.py").write_text(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    server, address = farm.server(settings=SHAPE_ALONE | method)
    (farm.folder / "limits.toml").write_text('kinds = ["probabilities", "parameters"]\n')
    clients = [
        farm.start(
            "limbeck_client.cli.main",
            *("join", address, "--data", "my_site:data", "--model", "mlp", "--name", name, "--out", f"out-{name}"),
            *("--policy", "limits.toml"),
            cwd=farm.folder,
        )
        for name in ("a", "b")
    ]
    for process in (*clients, server):
        farm.wait(process)
    assert "fetching the open data" not in farm.logs()
    assert (farm.folder / "out-a" / "model.safetensors").stat().st_size > 0


def test_a_method_that_needs_open_rows_says_so(tmp_path: Path) -> None:
    done = run("limbeck_server.cli.main", "run", *flags(SHAPE_ALONE | {"method.name": "dsfl"}), cwd=tmp_path)
    assert done.returncode == 1
    assert "method dsfl needs open rows" in done.stderr
    assert "datafree, fd, fedavg, fedgh, fedkd_ts, fedproto, fml, local" in done.stderr
    assert len(done.stderr.splitlines()) == 1
