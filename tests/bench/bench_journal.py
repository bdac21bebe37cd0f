"""Uplinks a second through the coordinator, acknowledged once durable: with the disk's flush and without, and grouped.

`python tests/bench/bench_journal.py [--uplinks 500] [--at-once 64] [--repeats 5] [--folder DIR]`

Without the flush (`synchronous=OFF`) nothing is promised to survive a power cut: it shows what the promise costs. One
at a time every uplink waits for a flush of its own; many at once share them. DIR says which disk is measured.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from limbeck_common.core.blocks import soft_labels
from limbeck_common.core.messages import Downlink, Receipt, Uplink
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.wire.digest import parts_digest
from limbeck_server.events import Fact
from limbeck_server.federation import Federation
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.storage.sqlite import SqliteStore, StoredParts

ROWS, CLASSES = 1000, 10  # 40,000 bytes of float32
METHOD = MethodSpec(name="dsfl", options={"open_per_round": ROWS})
SPEC = Spec(
    rounds=1, output=Output(width=CLASSES), sample_shape=(1,), sample_dtype="|u1", open_rows=2 * ROWS, method=METHOD
)


class Counting(SqliteStore):
    """Counts its commits."""

    commits = 0

    def commit(self, facts: Iterable[Fact], blocks: Iterable[StoredParts] = ()) -> None:
        """See `Store`."""
        self.commits += 1
        super().commit(facts, blocks)


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    uplinks: int
    seconds: float
    commits: int

    @property
    def rate(self) -> float:
        """Uplinks a second."""
        return self.uplinks / self.seconds

    def __str__(self) -> str:
        grouped = self.uplinks / self.commits
        return f"{self.rate:8,.0f} uplinks a second, {grouped:5.1f} a commit"


async def measure(folder: Path, uplinks: int, at_once: int, *, flushes: bool) -> Measured:
    """Push one uplink a client, `at_once` clients at a time."""
    store = Counting(folder, flushes=flushes)
    bounds = Bounds(uplinks, uplinks, 0, 3600)
    federation = Federation.assemble(SPEC, Machine(1, 0, bounds, bounds), store, federation_id="bench")
    running = asyncio.create_task(federation.coordinator.run())
    names = [f"client-{number}" for number in range(uplinks)]
    await asyncio.gather(*(federation.membership.enter(name) for name in names))
    answer = await federation.downlinks.pull(names[0], 0, 60)
    if not isinstance(answer, Downlink) or answer.closing:
        raise TypeError(f"no round opened: {answer}")
    values = np.random.default_rng(0).random((ROWS, CLASSES), np.float32)
    wanted = (answer.plan or {})["labels"].rows
    parts = {"labels": soft_labels(wanted, values / values.sum(axis=1, keepdims=True))}
    digest = parts_digest(parts)
    places = asyncio.Semaphore(at_once)

    async def push(name: str) -> None:
        async with places:
            if await federation.admissions.push(Uplink("bench", name, 1, parts, {}, digest)) is not Receipt.ACCEPTED:
                raise ValueError(f"{name}'s uplink was not accepted")

    store.commits = 0
    began = time.perf_counter()
    await asyncio.gather(*map(push, names))
    measured = Measured(uplinks, time.perf_counter() - began, max(1, store.commits))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()
    return measured


def main() -> None:
    """Measure and print the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uplinks", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5, help="of which the median is shown")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(f"{given.uplinks} uplinks of {4 * ROWS * CLASSES:,} bytes, median of {given.repeats} runs")
    cases = [(at_once, flushes) for at_once in (1, given.at_once) for flushes in (True, False)]
    runs: dict[tuple[int, bool], list[Measured]] = {case: [] for case in cases}
    for _ in range(given.repeats):  # in turn, so that what else the machine does falls on all alike
        for at_once, flushes in cases:
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                runs[at_once, flushes].append(
                    asyncio.run(measure(Path(folder), given.uplinks, at_once, flushes=flushes))
                )
    middle = {case: sorted(found, key=lambda one: one.rate)[len(found) // 2] for case, found in runs.items()}
    for (at_once, flushes), measured in middle.items():
        print(f"{at_once:4} at once, {'flushed' if flushes else 'not flushed':11} {measured}")
    for at_once in (1, given.at_once):
        ratio = middle[at_once, True].rate / middle[at_once, False].rate
        print(f"{at_once:4} at once: with the flush {ratio:.2f}x the rate without")
    print(f"grouping: {middle[given.at_once, True].rate / middle[1, True].rate:.1f}x the flushed rate of one at a time")


if __name__ == "__main__":
    main()
