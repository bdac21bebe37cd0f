"""A method that refines its aggregate: the server's model learns from earlier rounds first, and cannot be missing."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from limbeck_common.core.blocks import Parts, soft_labels
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import Aggregate, Downlink, Ended, Uplink
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import Refinement
from limbeck_common.wire.digest import parts_digest
from limbeck_server.federation import Federation
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.storage.sqlite import SqliteStore

SPEC = Spec(rounds=3, output=Output(width=3), sample_shape=(4,), sample_dtype="|u1", open_rows=8)
TURNS = 100  # of the loop that learning an aggregate takes: a server that does not wait for it would be seen


class Refining(DSFL):
    """A method that refines; the server's model below does the work."""

    def server_refine(self, server: Refinement) -> Aggregate | Parts:
        raise NotImplementedError


class Slow:
    """A server model that takes its time over each aggregate; it cannot learn from that of round `fails`."""

    def __init__(self, coordinator: list[Coordinator], fails: int = 0) -> None:
        self.heard: list[str] = []
        self._coordinator = coordinator
        self._fails = fails

    async def learn(self, number: int, aggregate: Mapping[str, Parts]) -> dict[str, float]:
        state = self._coordinator[0].state
        while not state.phase.ended and state.round <= number:  # until the next round is under way
            await asyncio.to_thread(lambda: None)
            state = self._coordinator[0].state
        for _ in range(TURNS):
            await asyncio.to_thread(lambda: None)
        if number == self._fails:
            raise UserCodeError(f"nothing to learn from {len(aggregate)} blocks")
        self.heard.append(f"learn {number}")
        return {}

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Parts]]) -> Aggregate:
        self.heard.append(f"refine {number} of {len(list(uplinks))}")
        return aggregate


async def federate(store: SqliteStore, fails: int = 0) -> list[str]:
    """Run a federation of one client to its end, and return what its server_model heard."""
    bounds, parts = Bounds(1, 1, 0, 60), list[Coordinator]()
    server_model = Slow(parts, fails)
    machine = Machine(SPEC.rounds, SPEC.seed, bounds, bounds)
    federation = Federation.assemble(
        SPEC, machine, store, method=Refining(), server_model=server_model, federation_id="test"
    )
    parts.append(federation.coordinator)
    running = asyncio.create_task(federation.coordinator.run())
    client = asyncio.create_task(take_part(federation))
    try:
        await running
    finally:
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    return server_model.heard


async def take_part(federation: Federation) -> None:
    await federation.membership.enter("a")
    number = 0
    while not isinstance(answer := await federation.downlinks.pull("a", number, 10), Ended):
        if isinstance(answer, Downlink):
            number = answer.round
            parts = {
                part: soft_labels(ask.rows, np.full((len(ask.rows), 3), 1 / 3, np.float32))
                for part, ask in (answer.plan or {}).items()
            }
            await federation.admissions.push(Uplink("test", "a", number, parts, {}, parts_digest(parts)))


def test_an_aggregate_is_refined_after_the_model_has_learned_those_of_the_rounds_before(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    try:
        heard = asyncio.run(asyncio.wait_for(federate(store), 60))
    finally:
        store.close()
    assert heard == ["refine 1 of 1", "learn 1", "refine 2 of 1", "learn 2", "refine 3 of 1", "learn 3"]


def test_where_a_method_refines_a_model_that_fails_ends_the_run(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    try:
        with pytest.raises(UserCodeError, match="nothing to learn from 1 blocks"):
            asyncio.run(asyncio.wait_for(federate(store, fails=1), 60))
    finally:
        store.close()
