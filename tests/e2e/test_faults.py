"""Killed, paused and cut off at every step: a federation ends with the bits of an undisturbed one, no acknowledged
uplink is lost, and nothing is done twice.

`make test` runs the short set, which goes through every step and every kind of fault; `make test-long` runs sixty
schedules drawn by seed.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.audits import damage
from support.disturbances import Disturbance, Fault, Schedule, disturb
from support.model_digest import model_digest
from support.planted_crashes import Step
from support.processes import CLIENTS, Farm

from limbeck_server.events import Aggregated, FederationEnded, UplinkAccepted
from limbeck_server.storage.sqlite import SqliteStore

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Outcome:
    """What a federation left behind."""

    end: str
    aggregates: tuple[str, ...]
    models: tuple[str, ...]


def outcome(farm: Farm) -> Outcome:
    store = SqliteStore(farm.folder / "store")
    try:
        facts = store.facts()
    finally:
        store.close()
    kept = Counter((fact.client, str(fact.round)) for fact in facts if isinstance(fact, UplinkAccepted))
    assert set(kept.values()) == {1}, "an uplink was counted twice"
    assert acknowledged(farm) <= set(kept), "an acknowledged uplink is lost"
    (end,) = (fact.state for fact in facts if isinstance(fact, FederationEnded))
    models = [farm.folder / "models" / name for name in CLIENTS]
    return Outcome(
        end=end,
        aggregates=tuple(fact.digest for fact in facts if isinstance(fact, Aggregated)),
        models=tuple(model_digest(path) for path in models),
    )


def logs_of(farm: Farm, name: str) -> list[str]:
    """Return the logs of a client's lives, the first life first."""
    logs = [path.read_text() for path in sorted(farm.folder.glob("*client.cli.log"))]
    return [log for log in logs if f'"client": "{name}"' in log]


def acknowledged(farm: Farm) -> set[tuple[str, str]]:
    """Return the (client, round) whose clients got a receipt that says that the uplink counts."""
    receipt = r'"round": (\d+), "receipt": "(?:accepted|duplicate)"'
    return {(name, number) for name in CLIENTS for log in logs_of(farm, name) for number in re.findall(receipt, log)}


def trained_again(farm: Farm) -> list[tuple[str, str]]:
    """Return (client, round) that were worked on although their uplink had been pushed or kept."""
    again = []
    for name in CLIENTS:
        done: set[str] = set()
        for log in logs_of(farm, name):
            done |= set(re.findall(r'"round": (\d+), "event": "going on from the checkpoint"', log))
            worked = re.findall(r'"round": (\d+), "closing": \w+, "event": "working"', log)
            again += [(name, number) for number in worked if number in done]
            done |= set(re.findall(r'"round": (\d+), "receipt": "\w+"', log))
    return again


def draw(seed: int) -> Schedule:
    """Return one to four faults of random kinds that befall random processes at random steps."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    schedule: Schedule = {}
    for _ in range(dice.randint(1, 4)):
        who = dice.choice(("server", *CLIENTS))
        whose = "server" if who == "server" else "client"
        step = dice.choice([each for each in Step if each.whose == whose])
        count = dice.randint(1, 8 if whose == "server" else 4)
        schedule.setdefault(who, []).append(Disturbance(dice.choice(list(Fault)), step, count))
    return schedule


def at_each_step_of(whose: str, count: int) -> list[Disturbance]:
    return [Disturbance(Fault.KILL, step, count) for step in Step if step.whose == whose]


SHORT: dict[str, Schedule] = {
    "the server is killed at each of its steps": {"server": at_each_step_of("server", 2)},
    "a client is killed at each of its steps": {"client-1": at_each_step_of("client", 1)},
    "both are killed at once": {
        "server": [Disturbance(Fault.KILL_BOTH, Step.COMMITTED, 4)],
        "client-1": [Disturbance(Fault.KILL_BOTH, Step.KEPT, 2)],
    },
    "either is paused": {
        "server": [Disturbance(Fault.PAUSE, Step.COMMITTING, 5)],
        "client-0": [Disturbance(Fault.PAUSE, Step.KEPT, 2)],
    },
    "the link is cut and slowed": {
        "client-2": [Disturbance(Fault.CUT, Step.KEPT, 1), Disturbance(Fault.SLOW, Step.TRAINED, 3)],
        "server": [Disturbance(Fault.CUT, Step.COMMITTED, 6)],
    },
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    reference = outcome(disturb(tmp_path_factory.mktemp("undisturbed") / "run", {}))
    assert reference.end == "finished"
    assert len(reference.aggregates) == 3
    return reference


def holds(folder: Path, schedule: Schedule, undisturbed: Outcome) -> None:
    farm = disturb(folder, schedule)
    assert outcome(farm) == undisturbed
    assert trained_again(farm) == []
    assert damage(farm.folder / "store") == []


@pytest.mark.parametrize("schedule", SHORT.values(), ids=[name.replace(" ", "-") for name in SHORT])
def test_each_step_and_each_fault_changes_nothing(tmp_path: Path, undisturbed: Outcome, schedule: Schedule) -> None:
    holds(tmp_path / "run", schedule, undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_a_random_schedule_changes_nothing(tmp_path: Path, undisturbed: Outcome, seed: int) -> None:
    holds(tmp_path / "run", draw(seed), undisturbed)
