"""How long a daemon with a long journal takes until it serves: with its checkpoint, and when all facts are replayed.

`python tests/bench/bench_restart.py [--facts 1000000] [--clients 100]`
"""

import argparse
import tempfile
import time
from functools import reduce
from pathlib import Path

from targets import add

from limbeck_server import events as fact
from limbeck_server.round.checkpoint import Progress, to_text
from limbeck_server.round.coordinator import replay
from limbeck_server.storage.protocols import Checkpoint
from limbeck_server.storage.sqlite import SqliteStore

BATCH = 10_000


def journal(clients: int, count: int) -> list[fact.Fact]:
    """Return the facts of a federation whose rounds come one after the other."""
    names = [f"client-{number:05}" for number in range(clients)]
    facts: list[fact.Fact] = [fact.Founded(at=0.0, federation_id="bench")]
    facts += [fact.ClientJoined(at=0.0, client=name) for name in names]
    number = 0
    while len(facts) < count:
        number += 1
        at = float(number)
        facts.append(fact.Opened(at=at, round=number, participants=tuple(names), seconds=60.0))
        facts += [
            fact.UplinkAccepted(at=at, round=number, client=name, digest="ab" * 32, metrics={"accuracy": 0.5})
            for name in names
        ]
        facts += [fact.Closed(at=at, round=number), fact.Aggregated(at=at, round=number, digest="cd" * 32)]
    return facts


def restart(folder: Path) -> tuple[float, Progress]:
    """Return the seconds that a daemon takes to open a store and take up its state, and that state."""
    began = time.monotonic()
    store = SqliteStore(folder)
    progress, _ = replay(store)
    store.close()
    return time.monotonic() - began, progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = journal(options.clients, options.facts)
        store = SqliteStore(folder, flushes=False)
        for start in range(0, len(facts), BATCH):
            store.commit(facts[start : start + BATCH])
        store.close()
        slow, whole = restart(folder)
        kept = reduce(Progress.after, facts[:-BATCH], Progress())
        store = SqliteStore(folder, flushes=False)
        store.keep_checkpoint(Checkpoint(kept.facts, to_text(kept)))
        store.close()
        fast, found = restart(folder)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    add(f"restart after {options.facts} facts, with a checkpoint", [fast], 5, "s")
    if found != whole:
        raise SystemExit("the checkpoint gives another state than the facts")
    print(
        f"{len(facts)} facts of {options.clients} clients, {size:.0f} MiB: {fast:.2f} s with a checkpoint that is "
        f"{BATCH} facts old, {slow:.1f} s without: {slow / fast:.0f} times"
    )


if __name__ == "__main__":
    main()
