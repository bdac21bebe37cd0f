"""Every method: the network ends with the simulation's bits, with the server and a client killed on the way or not.

`make test` runs one method of each family; `make test-long` runs every method, killed and not.
"""

from pathlib import Path

import pytest
from support.model_digest import model_digest
from support.processes import CLIENTS, Farm, flags, run, until

from limbeck_common.methods.registry import METHODS
from limbeck_server.events import Aggregated
from limbeck_server.storage.sqlite import SqliteStore

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SETTINGS = {
    "federation.rounds": "2",
    "data.open": "100",
    "data.private": "150",
    "data.parts": "3",
    "data.alpha": "5",
    "recipe.fit.epochs": "1",
    "recipe.distill.epochs": "1",
    "recipe.fit.batch_size": "25",
    "recipe.distill.batch_size": "25",
    "recipe.fit.momentum": "0.5",
    "lobby.count.min": "3",
    "lobby.count.max": "3",
    "round.count.min": "3",
    "model.name": "mlp",
}
OF_ITS_OWN = {  # rounds enough for what they remember of earlier ones
    "cfd": {"federation.rounds": "4"},
    "scarlet": {"federation.rounds": "4", "method.options.open_per_round": "40"},
}
_MIXED = ("mlp", "cnn", "forest")
_NETWORKS = ("mlp", "cnn", "resnet8")
MODELS = {  # where not all are mlp
    **dict.fromkeys(("comet", "dsfl", "fd", "fedct", "fedmd", "selective_fd"), _MIXED),
    **dict.fromkeys(("fedgh", "fedproto", "fml"), _NETWORKS),
}
SHORT = {("dsfl", True), ("fedavg", False), ("cfd", False)}  # labels, weights, a server's model that has a part in it
KILLS = {"server": "KILL:COMMITTED:5", "client-1": "KILL:KEPT:1"}  # in the middle of the first rounds
LATER_KILLS = {"server": "KILL:COMMITTED:9", "client-1": "KILL:KEPT:3"}  # where there are four
EVERYTHING_MAY_LEAVE = 'kinds = ["probabilities", "logits", "parameters", "features", "votes"]\nkey_weights = true\n'


def models_of(method: str) -> dict[str, str]:
    return dict(zip(CLIENTS, MODELS.get(method, ("mlp", "mlp", "mlp")), strict=True))


def digests(folder: Path, models: dict[str, Path]) -> dict[str, str]:
    """Return a run's aggregates and the models that it ended with, each by its SHA-256."""
    store = SqliteStore(folder)
    aggregates = [fact.digest for fact in store.facts() if isinstance(fact, Aggregated)]
    store.close()
    found = {f"round {number}": digest for number, digest in enumerate(aggregates, start=1)}
    return found | {name: model_digest(path) for name, path in models.items()}


def simulated(folder: Path, method: str, settings: dict[str, str]) -> dict[str, str]:
    words = [word for model in models_of(method).values() for word in ("--model", model)]
    words += ["--clients", "3", "--no-alone", "--keep-store", "--run-dir", str(folder), *flags(settings)]
    done = run("limbeck_lab.cli.main", "simulate", *words, seconds=240)
    assert done.returncode == 0, done.stderr
    return digests(folder / "store", {name: folder / "models" / name for name in (*CLIENTS, "server")})


def networked(farm: Farm, method: str, settings: dict[str, str], kills: dict[str, str]) -> dict[str, str]:
    """Run the federation over the network; whoever is killed is started again."""
    policy = farm.folder / "policy.toml"
    policy.write_text(EVERYTHING_MAY_LEAVE)
    models = models_of(method)

    def join(name: str, planted: str = "") -> None:
        words = ["--part", name[-1], "--model", models[name], "--policy", str(policy)]
        living[name] = farm.client(name, address, *words, planted=[planted] if planted else [])

    server, address = farm.server(settings=settings, planted=[kills["server"]] if kills else [])
    living, died = {"server": server}, set()
    for name in CLIENTS:
        join(name, kills.get(name, ""))

    def all_ended() -> bool:
        for who, process in list(living.items()):
            if process.poll() is None:
                continue
            del living[who]
            if process.returncode == 0:
                continue
            assert process.returncode == -9, farm.logs()
            died.add(who)
            if who == "server":
                living[who], _ = farm.server("--port", address.rpartition(":")[2], settings=settings)
            else:
                join(who)
        return not living

    until(all_ended, 240)
    assert died == set(kills)
    store = farm.folder / "store"
    ended_with = {name: farm.folder / "models" / name for name in CLIENTS}
    return digests(store, ended_with | {"server": store / "server-model"})


def cases() -> list[object]:
    """Return each method with kills and without, all but a few of them for the long set."""
    return [
        pytest.param(method, killed, marks=[] if (method, killed) in SHORT else pytest.mark.long)
        for method in sorted(METHODS)
        for killed in (False, True)
    ]


@pytest.mark.parametrize(("method", "killed"), cases())
def test_the_network_ends_with_the_simulations_bits(farm: Farm, method: str, *, killed: bool) -> None:
    settings = SETTINGS | {"method.name": method} | OF_ITS_OWN.get(method, {})
    expected = simulated(farm.folder / "simulated", method, settings)
    assert {"round 1", "round 2"} <= set(expected)
    kills = (LATER_KILLS if method in OF_ITS_OWN else KILLS) if killed else {}
    assert networked(farm, method, settings, kills) == expected
