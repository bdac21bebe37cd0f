"""An uplink is judged when its head comes, and again when its block is there."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from support.federations import assembled, opened, pulled, uplink

from limbeck_common.core.blocks import Outline, Rows, soft_labels
from limbeck_common.core.errors import BehindError, ConflictError, KeysError, MembershipError, ShapeError, ValuesError
from limbeck_common.core.messages import Receipt, Uplink
from limbeck_common.methods.dsfl import era
from limbeck_common.wire.digest import parts_digest
from limbeck_server.federation import Federation
from limbeck_server.round.admission import Admission
from limbeck_server.round.machine import Bounds, Machine


def outlines(uplink: Uplink) -> dict[str, Outline]:
    return {part: block.outline for part, block in uplink.parts.items()}


async def sums(federation: Federation) -> list[list[float]]:
    aggregator = await federation.coordinator.aggregation.current()
    assert aggregator is not None
    assert aggregator.clients == 1
    means: list[list[float]] = np.concatenate(list(aggregator.round.means("labels"))).tolist()
    return means


async def test_an_uplink_is_in_the_store_and_in_the_sums_once_it_has_its_receipt() -> None:
    async with assembled() as federation:
        await opened(federation)
        sent = uplink("a", await pulled(federation, "a"), 0.5)
        assert await federation.admissions.push(sent) is Receipt.ACCEPTED
        ((client, parts),) = federation.store.uplinks(1)
        assert client == "a"
        assert parts["labels"].array[:].tolist() == [[0.5, 0.25, 0.25]] * 8
        assert await sums(federation) == [[0.5, 0.25, 0.25]] * 8


async def test_the_same_uplink_twice_at_once_is_counted_once() -> None:
    async with assembled() as federation:
        await opened(federation)
        downlink = await pulled(federation, "a")
        sent = uplink("a", downlink, 0.5)
        head = replace(sent, parts={})
        admitted = [await federation.admissions.admit(head, outlines(sent)) for _ in range(2)]
        assert [admission.receipt for admission in admitted] == [Receipt.ACCEPTED] * 2
        receipts = await asyncio.gather(*(federation.admissions.complete(each, sent.parts) for each in admitted))
        assert receipts == [Receipt.ACCEPTED, Receipt.DUPLICATE]
        assert await sums(federation) == [[0.5, 0.25, 0.25]] * 8
        assert len(list(federation.store.uplinks(1))) == 1
        assert await federation.admissions.push(sent) is Receipt.DUPLICATE  # by its head alone
        with pytest.raises(ConflictError):
            await federation.admissions.push(uplink("a", downlink, 0.75))


async def test_an_uplink_whose_round_closed_while_its_block_arrived_is_late_and_not_counted() -> None:
    machine = Machine(2, 0, Bounds(2, 2, 0, 60), Bounds(1, 2, 0, 60))
    async with assembled(machine=machine) as federation:
        await opened(federation)
        coordinator = federation.coordinator
        slow = uplink("a", await pulled(federation, "a"), 0.5)
        admission = await federation.admissions.admit(replace(slow, parts={}), outlines(slow))
        await federation.admissions.push(uplink("b", await pulled(federation, "b"), 0.25))
        await coordinator.apply(coordinator.machine.close)
        assert await federation.admissions.complete(admission, slow.parts) is Receipt.LATE
        second = await pulled(federation, "b", after=1)
        assert second.round == 2
        assert second.aggregate is not None
        alone = era(np.array([[0.25, 0.375, 0.375]]), 0.1).astype(np.float32)
        assert second.aggregate["labels"].array[:].tolist() == alone.tolist() * 8
        aggregator = await coordinator.aggregation.current()
        assert aggregator is not None
        assert aggregator.clients == 0
        assert [client for client, _ in federation.store.uplinks(1)] == ["b"]
        assert [fact.kind for fact in federation.store.facts()].count("uplink_late") == 1


async def test_the_head_alone_is_refused_where_no_block_could_help() -> None:
    async with assembled() as federation:
        await opened(federation)
        good = uplink("a", await pulled(federation, "a"))
        head, outline = replace(good, parts={}), outlines(good)
        wide = {"labels": soft_labels(Rows(np.arange(8)), np.full((8, 4), 0.25, np.float32)).outline}
        for changed, described, error in (
            (replace(head, client="z"), outline, MembershipError),
            (replace(head, round=2), outline, BehindError),
            (replace(head, metrics={"loss": float("nan")}), outline, ValuesError),
            (head, {}, KeysError),
            (head, wide, ShapeError),
        ):
            with pytest.raises(error):
                await federation.admissions.admit(changed, described)
        admission = await federation.admissions.admit(head, outline)
        assert admission.payload_bytes == 8 * 3 * 4
        assert federation.coordinator.state.delivered == frozenset()


async def test_a_block_that_is_refused_leaves_nothing_behind() -> None:
    async with assembled() as federation:
        await opened(federation)
        good = uplink("a", await pulled(federation, "a"))
        admission = await federation.admissions.admit(replace(good, parts={}), outlines(good))
        twice = {"labels": replace(good.parts["labels"], values=(np.full((8, 3), 2 / 3, np.float32),))}
        with pytest.raises(ValuesError, match="row 0 of the block does not sum to 1"):
            await federation.admissions.complete(admission, twice)
        assert federation.coordinator.state.delivered == frozenset()
        assert list(federation.store.uplinks(1)) == []
        assert await federation.admissions.complete(admission, good.parts) is Receipt.ACCEPTED


async def test_a_limit_of_the_settings_holds_beside_the_rounds_own() -> None:
    async with assembled(payload_bytes=10) as federation:
        await opened(federation)
        good = uplink("a", await pulled(federation, "a"))
        admission = await federation.admissions.admit(replace(good, parts={}), outlines(good))
        assert admission.payload_bytes == 10


async def test_the_closing_round_takes_metrics_and_no_block() -> None:
    machine = Machine(1, 0, Bounds(2, 2, 0, 60), Bounds(2, 2, 0, 60))
    async with assembled(machine=machine) as federation:
        await opened(federation)
        for client in "ab":
            await federation.admissions.push(uplink(client, await pulled(federation, client)))
        closing = await pulled(federation, "a", after=1)
        assert closing.closing
        assert closing.plan is None
        parts = {"labels": soft_labels(Rows(np.arange(8)), np.full((8, 3), 1 / 3, np.float32))}
        answer = replace(uplink("a", closing), metrics={"accuracy": 0.5})
        with pytest.raises(KeysError, match="the uplink has the part 'labels'"):
            await federation.admissions.push(replace(answer, parts=parts, digest=parts_digest(parts)))
        admission = await federation.admissions.admit(answer, {})
        with pytest.raises(KeysError, match="the part 'labels'; expected no parts, as in the closing round"):
            await federation.admissions.complete(admission, parts)
        assert await federation.admissions.push(answer) is Receipt.ACCEPTED


async def test_a_block_that_was_not_announced_where_none_is_asked_for_is_refused() -> None:
    async with assembled() as federation:
        await opened(federation)
        sent = uplink("a", await pulled(federation, "a"))
        admission = Admission(replace(sent, parts={}), Receipt.ACCEPTED, {})
        with pytest.raises(KeysError, match="no parts, as in the closing round"):
            await federation.admissions.complete(admission, sent.parts)
        assert not list(federation.store.uplinks(1))
