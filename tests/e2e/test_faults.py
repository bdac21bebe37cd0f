"""Processes killed at every step: the federation ends with the bits of an undisturbed one, and nothing is done twice.

`pytest -m "not faults"` leaves the long set out, as `make test` does; `make test-faults` runs it.
"""

import hashlib
import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from crashing import Fault
from farm import CLIENTS, Farm, until

from limbeck_server.facts import Ended, Kept, Taught
from limbeck_server.store import Store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
Schedule = dict[str, list[tuple[Fault, int]]]  # of each process: the step at which each of its lives ends


@dataclass(frozen=True)
class Outcome:
    """What a federation left behind."""

    end: str
    teachings: tuple[str, ...]
    models: tuple[str, ...]


def outcome(farm: Farm) -> Outcome:
    store = Store(farm.folder / "store")
    try:
        facts = store.facts()
    finally:
        store.close()
    kept = Counter((fact.round, fact.client) for fact in facts if isinstance(fact, Kept))
    assert set(kept.values()) == {1}, "an uplink was counted twice"
    (end,) = (fact.state for fact in facts if isinstance(fact, Ended))
    models = [farm.folder / "models" / name / "model.safetensors" for name in CLIENTS]
    return Outcome(
        end=end,
        teachings=tuple(fact.digest for fact in facts if isinstance(fact, Taught)),
        models=tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in models),
    )


def trained_again(farm: Farm) -> list[tuple[str, str]]:
    """Return (client, round) that were worked on although their uplink had been pushed or kept."""
    again = []
    for name in CLIENTS:
        logs = [path.read_text() for path in sorted(farm.folder.glob("*client.cli.log"))]
        logs = [log for log in logs if f'"client": "{name}"' in log]
        done: set[str] = set()
        for log in logs:
            done |= set(re.findall(r'"round": (\d+), "event": "going on from the kept state"', log))
            worked = re.findall(r'"round": (\d+), "closing": \w+, "event": "working"', log)
            again += [(name, number) for number in worked if number in done]
            done |= set(re.findall(r'"round": (\d+), "receipt": "\w+"', log))
    return again


def run_through(folder: Path, schedule: Schedule) -> tuple[Farm, Outcome]:
    """Run a federation; whoever is killed by its schedule is started again, until all have ended."""
    folder.mkdir()
    farm = Farm(folder)
    schedule = {who: list(faults) for who, faults in schedule.items()}
    try:
        server, address = farm.server(fault=_next(schedule, "server"))
        port = address.rpartition(":")[2]
        living = {"server": server} | {
            name: farm.client(name, address, fault=_next(schedule, name)) for name in CLIENTS
        }

        def all_ended() -> bool:
            for who, process in list(living.items()):
                if process.poll() is None:
                    continue
                if process.returncode == 0:
                    del living[who]
                    continue
                assert process.returncode == -9, farm.logs()
                if who == "server":
                    living[who], _ = farm.server("--port", port, fault=_next(schedule, who))
                else:
                    living[who] = farm.client(who, address, fault=_next(schedule, who))
            return not living

        until(all_ended, 200)
    finally:
        farm.close()
    return farm, outcome(farm)


def _next(schedule: Schedule, who: str) -> tuple[Fault, int] | None:
    return schedule[who].pop(0) if schedule.get(who) else None


def draw(seed: int) -> Schedule:
    """Return one to four deaths of random processes at random steps."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    schedule: Schedule = {}
    for _ in range(dice.randint(1, 4)):
        who = dice.choice(("server", *CLIENTS))
        whose = "server" if who == "server" else "client"
        fault = dice.choice([each for each in Fault if each.whose == whose])
        schedule.setdefault(who, []).append((fault, dice.randint(1, 8 if whose == "server" else 4)))
    return schedule


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    _, reference = run_through(tmp_path_factory.mktemp("undisturbed") / "run", {})
    assert reference.end == "finished"
    assert len(reference.teachings) == 3
    return reference


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_a_death_at_each_step_changes_nothing(tmp_path: Path, undisturbed: Outcome, fault: Fault) -> None:
    who = "server" if fault.whose == "server" else "client-1"
    farm, found = run_through(tmp_path / "run", {who: [(fault, 2)]})
    assert found == undisturbed
    assert trained_again(farm) == []


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(50))
def test_a_random_schedule_of_deaths_changes_nothing(tmp_path: Path, undisturbed: Outcome, seed: int) -> None:
    farm, found = run_through(tmp_path / "run", draw(seed))
    assert found == undisturbed
    assert trained_again(farm) == []
