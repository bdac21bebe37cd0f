"""`limbeck.simulate`: methods, models and data of one's own by their objects, and results that can be used."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import data, learner

import limbeck
from limbeck_common.methods.dsfl import DSFL
from limbeck_lab.simulation import name_of

TINY: dict[str, Any] = {
    "data.private": 90,
    "data.open": 40,
    "recipe.fit.epochs": 1,
    "recipe.distill.epochs": 1,
    "method.options.open_per_round": 20,
}


class Doubled(DSFL):
    """A method of one's own."""


def quiet(_line: str) -> None:
    """Show nothing."""


def test_results_can_be_read_and_models_loaded(tmp_path: Path) -> None:
    lines: list[str] = []
    done = limbeck.simulate(
        "dsfl:aggregation=sa",
        clients=2,
        rounds=1,
        model=["mlp", "forest"],
        settings=TINY,
        folder=tmp_path / "run",
        show=lines.append,
    )
    assert [client.model for client in done.results.clients] == ["mlp", "forest"]
    assert done.accuracy == pytest.approx(np.mean([client.federated for client in done.results.clients]))
    assert done.server_accuracy is not None
    assert done.bytes_per_client > 20 * 10 * 4
    assert any(line.startswith("round   1") for line in lines)
    assert (done.folder / "report.html").exists()
    for name in ("client-0", "client-1", "server"):
        assert done.load_model(name).predict(np.zeros((3, 1, 8, 8), np.uint8)).shape == (3, 10)


def test_own_method_model_and_data_are_given_as_objects(tmp_path: Path) -> None:
    done = limbeck.simulate(
        Doubled(open_per_round=30),
        clients=2,
        rounds=1,
        model=learner,
        data=data,
        settings={"model.name": "none", "output.width": 3},
        folder=tmp_path / "run",
        show=quiet,
    )
    settings = (done.folder / "settings.json").read_text()
    assert f"{__name__}:Doubled" in settings
    assert '"open_per_round": 30' in settings
    assert done.server_accuracy is None
    assert done.accuracy is not None


def test_a_notebook_may_call_it(tmp_path: Path) -> None:
    async def cell() -> limbeck.Simulation:
        return limbeck.simulate(
            "local",
            clients=1,
            rounds=1,
            model="mlp",
            settings=TINY | {"method.options.open_per_round": None},
            folder=tmp_path / "run",
            show=quiet,
        )

    assert asyncio.run(cell()).results.summary is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "fancy"}, "unknown method 'fancy'"),
        ({"method": "dsfl:aggregation"}, "cannot load 'dsfl:aggregation'"),
        ({"method": dict}, "is not a method; expected a name, or a class that extends Method"),
        ({"model": lambda classes: classes}, "<lambda> of .* cannot be imported by a worker process"),
        ({"model": "fancy"}, "unknown model 'fancy'"),
        ({"settings": {"recipe.fit.epoch": 1}}, "recipe.fit.epoch"),
    ],
)
def test_a_mistake_is_one_line(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(limbeck.LimbeckError, match=said):
        limbeck.simulate(**({"clients": 1, "folder": tmp_path / "run", "show": quiet, "settings": TINY} | wrong))


def test_what_was_defined_in_a_script_or_a_notebook_has_no_name_for_another_process() -> None:
    def inside() -> None: ...

    for given in (inside, type("Shown", (), {"__module__": "__main__"})):
        with pytest.raises(limbeck.LimbeckError, match=r"write it to a file, such as mine\.py"):
            name_of(given)
