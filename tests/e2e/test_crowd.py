"""Five hundred clients on one daemon, a tenth of them killed in every round: each round closes by its quorum, and
nothing that was acknowledged is lost.

`make test-long` runs it, with a line a round; `CROWD=50 ROUNDS=5` in the environment make it smaller.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import pytest
from support.audits import damage
from support.processes import TINY, Farm, until

from limbeck_lab.run.federation_events import FederationEvent, events_at
from limbeck_server.events import Aggregated, Extended, Fact, FederationEnded, UplinkAccepted
from limbeck_server.storage.sqlite import SqliteStore

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1200)]
CLIENTS, ROUNDS, PROCESSES = int(os.environ.get("CROWD", "500")), int(os.environ.get("ROUNDS", "20")), 10
SHARE = CLIENTS // PROCESSES
SETTINGS = TINY | {
    "federation.rounds": str(ROUNDS),
    "lobby.count.min": str(CLIENTS),
    "lobby.count.max": str(CLIENTS),
    "round.count.min": str(8 * SHARE),
    "round.count.max": str(9 * SHARE),  # a tenth more are asked than are needed
    "round.time.max": "120",
    "round.grace": "20",
    "limits.calls_per_client": str(4 * SHARE),  # a process's clients share a connection: in plain text one client
}


@dataclass
class Crowd:
    """The processes of a crowd, by their number."""

    farm: Farm
    address: str
    living: dict[int, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, number: int) -> None:
        arguments = [self.address, str(number * SHARE), str(SHARE), str(self.farm.folder / "clients")]
        self.living[number] = self.farm.execute("crowd", ["-m", "support.crowd", *arguments])

    def kill(self, number: int) -> None:
        """SIGKILL a process, with all its clients, and start it again."""
        self.living[number].kill()
        self.living[number].wait()
        self.start(number)


@dataclass
class Watched:
    """What is seen of a federation while it runs, and what is done to its crowd."""

    crowd: Crowd
    daemon: psutil.Process
    say: Callable[[str], None]
    kept: Counter[int] = field(default_factory=Counter)
    memory: dict[int, float] = field(default_factory=dict)  # MiB, as a round was taught
    first: float = 0.0
    opened: float = 0.0
    busy: float = 0.0  # seconds of the daemon's CPU time, when the last round was taught

    def see(self, event: FederationEvent) -> None:
        match event.kind:
            case "opened":
                self.opened = event.at
                self.first = self.first or event.at
            case "uplink_accepted":
                self.kept[event.round] += 1
                if self.kept[event.round] == 2 * SHARE and event.round <= ROUNDS:
                    self.crowd.kill(event.round % PROCESSES)
            case "aggregated":
                self.memory[event.round] = self.daemon.memory_info().rss / 2**20
                self.busy = sum(self.daemon.cpu_times()[:2])
                count, seconds = self.kept[event.round], event.at - self.opened
                self.say(
                    f"round {event.round:3}: {count} uplinks in {seconds:6.1f} s, {count / seconds:6.0f} a second, "
                    f"daemon {self.memory[event.round]:.0f} MiB"
                )


def acknowledged(farm: Farm) -> set[tuple[str, int]]:
    """Return the (client, round) whose clients got a receipt that says that the uplink counts."""
    found = set()
    for path in farm.folder.glob("*crowd.log"):
        for line in path.read_text().splitlines():
            if '"event": "pushed"' in line and line.endswith("}"):  # a killed process may leave half a line
                said = json.loads(line)
                if said["receipt"] != "late":
                    found.add((said["client"], said["round"]))
    return found


def check(facts: list[Fact], receipts: set[tuple[str, int]]) -> None:
    kept = Counter((each.client, each.round) for each in facts if isinstance(each, UplinkAccepted))
    assert set(kept.values()) == {1}
    assert receipts <= set(kept)
    assert [each.round for each in facts if isinstance(each, Aggregated)] == list(range(1, ROUNDS + 1))
    assert not any(isinstance(each, Extended) for each in facts)
    counts = Counter(number for _, number in kept)
    assert all(8 * SHARE <= counts[number] <= 9 * SHARE for number in range(1, ROUNDS + 1))
    assert [each.state for each in facts if isinstance(each, FederationEnded)] == ["finished"]


@pytest.mark.skipif(sys.platform != "linux", reason="one open file a client, and more than other systems allow")
def test_a_crowd_with_a_tenth_killed_in_every_round(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    began = time.monotonic()
    server, address = farm.server(settings=SETTINGS)
    crowd = Crowd(farm, address)
    watched = Watched(crowd, psutil.Process(server.pid), say)
    for number in range(PROCESSES):
        crowd.start(number)

    async def follow() -> None:
        async for event in events_at(address):
            watched.see(event)
            assert all(each.poll() in {None, 0} for each in crowd.living.values()), farm.logs()[-5000:]

    asyncio.run(follow())
    seconds = time.time() - watched.first
    until(lambda: all(each.poll() is not None for each in crowd.living.values()), 120)
    assert {each.returncode for each in crowd.living.values()} == {0}, farm.logs()[-5000:]
    farm.wait(server)
    store = SqliteStore(farm.folder / "store")
    facts = store.facts()
    store.close()
    receipts = acknowledged(farm)
    check(facts, receipts)
    assert damage(farm.folder / "store") == []
    total = sum(watched.kept.values())
    say(
        f"{CLIENTS} clients, {ROUNDS} rounds, {ROUNDS * SHARE} killed: {total} uplinks in {seconds:.0f} s, "
        f"{total / seconds:.0f} a second; {len(receipts)} acknowledged, none lost; daemon {watched.busy:.0f} s of CPU, "
        f"{watched.memory[1]:.0f} MiB after round 1, {watched.memory[ROUNDS]:.0f} after round {ROUNDS}; "
        f"{time.monotonic() - began:.0f} s in all"
    )
