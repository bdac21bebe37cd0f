"""The network and the simulation end with the same bits, whatever the order of arrival.

Of the long set: `test_methods.py` compares the two in one order, `property/test_exact.py` tries every order of sums.
"""

import hashlib
import signal
from pathlib import Path

import pytest
from support.model_digest import model_digest
from support.processes import Farm, flags, run, until

from limbeck_server.events import Aggregated, UplinkAccepted
from limbeck_server.storage.sqlite import SqliteStore

MODELS = {"client-0": "mlp", "client-1": "cnn", "client-2": "forest"}
SETTINGS = {
    "federation.rounds": "2",
    "method.options.open_per_round": "100",
    "data.open": "200",
    "data.parts": "3",
    "recipe.fit.epochs": "1",
    "recipe.fit.learning_rate": "0.05",
    "recipe.distill.learning_rate": "0.05",
    "recipe.fit.momentum": "0.9",
    "recipe.fit.batch_size": "20",
    "recipe.fit.optimizer": "sgd",
    "recipe.distill.epochs": "1",
    "lobby.count.min": "3",
    "lobby.count.max": "3",
    "round.count.min": "3",
    "model.name": "mlp",
}

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(300)]


def aggregates(store: Path) -> list[str]:
    opened = SqliteStore(store)
    try:
        return [fact.digest for fact in opened.facts() if isinstance(fact, Aggregated)]
    finally:
        opened.close()


def arrivals(store: Path, number: int) -> list[str]:
    opened = SqliteStore(store)
    try:
        return [fact.client for fact in opened.facts() if isinstance(fact, UplinkAccepted) and fact.round == number]
    finally:
        opened.close()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def network_run(farm: Farm, last: str) -> dict[str, str]:
    """Run a federation in which client `last` is held until the others have delivered round 1."""
    farm.folder.mkdir()
    server, address = farm.server(settings=SETTINGS)
    join = lambda name: farm.client(name, address, "--part", name[-1], "--model", MODELS[name])  # noqa: E731
    clients = {last: join(last)}
    until(lambda: farm.members(address) == 1)
    clients[last].send_signal(signal.SIGSTOP)
    clients |= {name: join(name) for name in MODELS if name != last}
    until(lambda: farm.delivered(address) == 2)
    clients[last].send_signal(signal.SIGCONT)
    for process in (*clients.values(), server):
        farm.wait(process)
    models = {name: model_digest(farm.folder / "models" / name) for name in MODELS}
    return models | {"server": model_digest(farm.folder / "store" / "server-model")}


def test_simulation_and_network_in_two_orders_of_arrival_give_the_same_bits(tmp_path: Path) -> None:
    farms = [Farm(tmp_path / "first"), Farm(tmp_path / "second")]
    try:
        models = [network_run(farm, last) for farm, last in zip(farms, ("client-0", "client-1"), strict=True)]
    finally:
        for farm in farms:
            farm.close()
    order = [word for model in MODELS.values() for word in ("--model", model)]
    simulated = tmp_path / "simulated"
    done = run(
        "limbeck_lab.cli.main",
        "simulate",
        "--clients",
        "3",
        *order,
        "--no-alone",
        "--keep-store",
        "--run-dir",
        str(simulated),
        *flags(SETTINGS),
    )
    assert done.returncode == 0, done.stderr

    stores = [tmp_path / "first" / "store", tmp_path / "second" / "store", simulated / "store"]
    assert arrivals(stores[0], 1)[-1] == "client-0"
    assert arrivals(stores[1], 1)[-1] == "client-1"
    assert aggregates(stores[0]) == aggregates(stores[1]) == aggregates(stores[2])
    assert len(aggregates(stores[0])) == 2
    names = [*MODELS, "server"]
    assert models[0] == models[1] == {name: model_digest(simulated / "models" / name) for name in names}
