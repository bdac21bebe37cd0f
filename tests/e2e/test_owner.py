"""The owner of a client: holds what would leave, kills it and starts it again, interrupts it."""

import json
import re
import signal

import pytest
from support.processes import TINY, Farm, run, until

from limbeck_common.support.cli import ENDED_STATUS

pytestmark = pytest.mark.e2e

ALONE = TINY | {"lobby.count.min": "1", "lobby.count.max": "1", "round.count.min": "1"}
OWN = ("--part", "0", "--data", "support.tiny:data", "--model", "support.tiny:learner")
ENDLESS = """
import threading
from pathlib import Path
from support import tiny

class Endless(tiny.Softmax):
    def fit(self, examples, recipe):
        if Path("once").exists():
            Path("twice").touch()
            threading.Event().wait()
        Path("once").touch()
        super().fit(examples, recipe)

def learner(seed):
    return Endless(seed)
"""


def owner(farm: Farm, word: str, *arguments: str) -> str:
    said = run("limbeck_client.cli.main", word, str(farm.folder / "clients" / "client-0"), *arguments)
    assert said.returncode == 0, said.stderr
    return said.stdout


def held(farm: Farm) -> list[str]:
    return re.findall(r'"round": (\d+), .*"held until its owner approves"', farm.logs())


def test_nothing_leaves_before_its_owner_decides_and_a_decision_outlives_a_kill(farm: Farm) -> None:
    server, address = farm.server(settings=ALONE)
    client = farm.client("client-0", address, *OWN, "--review")
    until(lambda: held(farm) == ["1"])
    assert "round   1  labels: 30 x probabilities, 360 bytes" in owner(farm, "review")
    assert owner(farm, "ledger") == ""
    assert farm.delivered(address) == 0
    client.kill()
    farm.wait(client, -9)
    assert owner(farm, "approve").startswith("approved: ")

    client = farm.client("client-0", address, *OWN, "--review")
    until(lambda: held(farm) == ["1", "2"])
    assert owner(farm, "ledger").count("\n") == 1
    assert owner(farm, "refuse").startswith("refused: ")
    client.kill()
    farm.wait(client, -9)

    client = farm.client("client-0", address, *OWN)  # a refusal holds without --review, too
    until(lambda: farm.logs().count('"event": "going on from the checkpoint"') == 2)
    until(lambda: "kept back: its owner refused it" in farm.logs())
    until(lambda: farm.status(address)["clients"][0]["present"])
    assert run("limbeck_server.cli.main", "stop", "--server", address).returncode == 0
    farm.wait(client, ENDED_STATUS)
    farm.wait(server)
    assert [line.split()[3] for line in owner(farm, "ledger").splitlines()] == ["1"]
    assert farm.logs().count('"event": "pushed"') == 1


def test_all_that_follows_can_be_approved_at_once(farm: Farm) -> None:
    server, address = farm.server(settings=ALONE)
    client = farm.client("client-0", address, *OWN, "--review")
    until(lambda: held(farm) == ["1"])
    assert owner(farm, "approve", "--all").startswith("approved, and all that follow: ")
    farm.wait(client)
    farm.wait(server)
    assert held(farm) == ["1"]
    assert owner(farm, "ledger").count("\n") == 4
    assert [json.loads(line)["round"] for line in owner(farm, "ledger", "--json").splitlines()] == [1, 2, 3, 4]


def test_an_interrupt_ends_a_client_in_training_at_once_and_saves_nothing(farm: Farm) -> None:
    (farm.folder / "endless.py").write_text(ENDLESS)
    _, address = farm.server(settings=ALONE)
    own = [*OWN[:-1], "endless:learner", "--out", "out", "--state", "mine"]
    client = farm.start("limbeck_client.cli.main", "join", address, "--name", "a", *own, cwd=farm.folder)
    until((farm.folder / "twice").exists)
    kept = (farm.folder / "mine" / "state").read_bytes()
    client.send_signal(signal.SIGINT)
    farm.wait(client, 130, seconds=30)
    assert list((farm.folder / "out").iterdir()) == []
    assert (farm.folder / "mine" / "state").read_bytes() == kept
    assert farm.logs().rstrip().endswith("limbeck-client: interrupted")


def test_a_client_whose_server_stays_away_keeps_its_model_and_what_it_holds(farm: Farm) -> None:
    server, address = farm.server(settings=ALONE)
    client = farm.client("client-0", address, *OWN, "--review", "--patience", "1")
    until(lambda: held(farm) == ["1"])
    server.kill()
    farm.wait(client, 1)
    assert client.stdout is not None
    model = farm.folder / "models" / "client-0" / "model.safetensors"
    assert client.stdout.read() == f"model of the last finished round: {model}\n"
    assert model.stat().st_size > 0
    assert "round   1  labels: 30 x probabilities" in owner(farm, "review")


def test_nobody_waits_for_an_uplink_that_its_owner_refused(farm: Farm) -> None:
    pair = TINY | {"lobby.count.min": "2", "lobby.count.max": "2", "round.count.min": "1", "federation.rounds": "2"}
    server, address = farm.server(settings=pair)
    held_back = farm.client("client-0", address, *OWN, "--review")
    other = farm.client("client-1", address)
    until(lambda: held(farm) == ["1"] and farm.delivered(address) == 1)
    owner(farm, "refuse")
    until(lambda: held(farm) == ["1", "2"])  # long before the round's deadline, an hour away
    assert "declined: the round does not wait for this client" in farm.logs()
    owner(farm, "approve", "--all")
    for process in (held_back, other, server):
        farm.wait(process)
    assert [line.split()[3] for line in owner(farm, "ledger").splitlines()] == ["2", "3"]
