"""Each group of clients learns from its own aggregate, from one round to the next and across a restart."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.audits import change, damage, verdicts
from support.federations import SPEC
from support.finished_store import run, specify
from support.live_server import Served, push_messages, served

from limbeck_common.core.blocks import Block
from limbeck_common.core.messages import ALL, group
from limbeck_common.core.spec import MethodSpec
from limbeck_common.wire.codec import decode_downlink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload
from limbeck_server.aggregation.aggregator import aggregate_digest
from limbeck_server.events import Aggregated

GROUPED = MethodSpec(name="support.grouped_method:Grouped", options={"open_per_round": 8})
LABELS = np.tile(np.float32([0.5, 0.25, 0.25]), (8, 1))


async def learned_from(server: Served, client: str, learned: int) -> Block:
    """Return what a client learns from at the start of round 2."""
    messages = await server.pull(client, after=1, learned=learned)
    payload = Payload(messages[0].head.payload_size, 1 << 20)
    for message in messages:
        payload.add(message.chunk)
    parts = decode_downlink(messages[0].head, payload, 20).aggregate
    assert parts is not None
    return parts["labels"]


def values(block: Block) -> NDArray[np.float32]:
    shown: NDArray[np.float32] = block.array[:]
    return shown


def test_each_client_learns_from_its_groups_aggregate_and_from_what_it_has_missed(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"method": GROUPED})

    async def check(server: Served) -> None:
        a, b = await learned_from(server, "a", learned=1), await learned_from(server, "b", learned=0)
        assert (a.weight, b.weight) == (11, 10)
        assert np.array_equal(values(a), LABELS)
        assert np.array_equal(values(b), LABELS[:, ::-1])

    async def scenario() -> None:
        async with served(tmp_path, spec) as server:
            for client in "ab":
                await server.join(client)
            for client in "ab":
                await server.push(iter(push_messages(server.uplink(client, values=LABELS))))
            await check(server)
            (fact,) = (each for each in server.store.facts() if isinstance(each, Aggregated))
            digests = {who: parts_digest(parts).hex() for who, parts in server.store.aggregates(1).items()}
            assert set(digests) == {ALL, group("reverse")}
            assert (fact.digests, fact.moves) == (digests, {"b": "reverse"})
            assert fact.digest == aggregate_digest(digests)
        async with served(tmp_path, spec) as server:
            assert dict(server.coordinator.state.groups) == {"b": "reverse"}
            await check(server)

    asyncio.run(scenario())


def test_the_audit_recomputes_each_groups_aggregate_and_names_the_one_that_was_changed(tmp_path: Path) -> None:
    run(tmp_path, specify("support.grouped_method:Grouped", open_per_round=8))
    assert damage(tmp_path) == []
    change(
        tmp_path,
        "UPDATE aggregates SET payload = zeroblob(length(payload)) WHERE round = 2 AND name = 'group:reverse'",
    )
    (found,) = damage(tmp_path)
    assert found.startswith("aggregate of round 2 for group:reverse: its digest is")
    assert [verdict.text for verdict in verdicts(tmp_path)][3] == "round 2: DAMAGED"


@pytest.mark.parametrize("audience", [ALL, group("reverse")])
def test_an_aggregate_of_an_audience_that_is_gone_is_missed(tmp_path: Path, audience: str) -> None:
    run(tmp_path, specify("support.grouped_method:Grouped", open_per_round=8))
    change(tmp_path, "DELETE FROM aggregates WHERE round = 1 AND name = ?", audience)
    assert damage(tmp_path) == [f"aggregate of round 1 for {audience} is missing"]
