"""A small federation without a network: two clients, and rounds of eight of twenty open rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from limbeck_common.core.blocks import soft_labels
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.wire.digest import parts_digest
from limbeck_server.federation import Federation
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.storage.memory import MemoryStore
from limbeck_server.storage.protocols import Store

ID = "test"
OPEN = np.arange(80, dtype=np.uint8).reshape(20, 4)
METHOD = MethodSpec(name="dsfl", options={"open_per_round": 8})
SPEC = Spec(rounds=2, output=Output(width=3), sample_shape=(4,), sample_dtype="|u1", open_rows=20, method=METHOD)
BOUNDS = Bounds(2, 2, 0, 60)
_RUNS: dict[Federation, asyncio.Task[None]] = {}


def new_store() -> Store:
    """Return an empty store, which its caller closes."""
    return MemoryStore()


@asynccontextmanager
async def assembled(
    store: Store | None = None, spec: Spec = SPEC, machine: Machine | None = None, **parts: Any
) -> AsyncIterator[Federation]:
    """Assemble a federation and run its journal and rounds; `parts` replace those of `Federation.assemble`."""
    given = {"open_digest": open_digest(OPEN), "open_data": OPEN, "federation_id": ID} | parts
    machine = machine or Machine(spec.rounds, spec.seed, BOUNDS, BOUNDS)
    opened_store = None if store else new_store()
    federation = Federation.assemble(spec, machine, store or opened_store, **given)
    run = _RUNS[federation] = asyncio.create_task(federation.coordinator.run())
    try:
        yield federation
    finally:
        del _RUNS[federation]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        if opened_store is not None:
            opened_store.close()


async def running(federation: Federation) -> None:
    """Wait for the end of an assembled federation's run, and raise what ended it."""
    await _RUNS[federation]


async def opened(federation: Federation) -> None:
    """Have both clients join, and round 1 open."""
    for client in "ab":
        await federation.membership.enter(client)
    federation.coordinator.advance()


def uplink(client: str, downlink: Downlink, value: float | None = None) -> Uplink:
    """Return a valid uplink for a downlink: uniform labels, or `value` for the first class."""
    parts = {}
    if downlink.plan is not None:
        wanted = downlink.plan["labels"].rows
        rows = np.full((len(wanted), 3), 1 / 3, np.float32)
        if value is not None:
            rows[:] = [value, (1 - value) / 2, (1 - value) / 2]
        parts = {"labels": soft_labels(wanted, rows)}
    return Uplink(downlink.federation_id, client, downlink.round, parts, {}, parts_digest(parts))


async def pulled(federation: Federation, client: str, after: int = 0, learned: int = 0) -> Downlink:
    """Return a client's next downlink."""
    answer = await federation.downlinks.pull(client, after, 10, learned)
    assert isinstance(answer, Downlink), answer
    return answer
