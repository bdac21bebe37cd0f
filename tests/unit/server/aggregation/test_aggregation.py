"""The open round's sums: what was acknowledged is in them, or the federation ends with a named failure."""

import asyncio
import threading

import numpy as np
import pytest
from support.aggregators import Asking
from support.federations import SPEC, assembled, new_store, opened, pulled, running, uplink

from limbeck_common.core.blocks import Parts, Rows, Space, class_scores, soft_labels
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate, Receipt, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import PastRounds, Recipient, ServerRound
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.aggregation import AdditionError, Aggregation
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.round.state import FederationPhase
from limbeck_server.storage.protocols import INLINE_BYTES


async def test_an_uplink_that_cannot_be_added_ends_the_federation_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    add = RoundAggregator.add

    def failing(self: RoundAggregator, parts: Parts, architecture: str) -> None:
        if parts["labels"].array[0, 0] == np.float32(0.5):  # type: ignore[call-overload]
            raise MemoryError("no room for the sums")
        add(self, parts, architecture)

    monkeypatch.setattr(RoundAggregator, "add", failing)
    async with assembled() as federation:
        await opened(federation)
        first = await pulled(federation, "a")
        assert await federation.admissions.push(uplink("a", first, 0.5)) is Receipt.ACCEPTED
        async with asyncio.timeout(20):
            await running(federation)
        reason = federation.coordinator.state.reason
        assert federation.coordinator.state.phase is FederationPhase.FAILED
        assert reason == "round 1: the uplink of a was not added: MemoryError: no room for the sums"
        await federation.coordinator.settled()
        assert federation.store.facts()[-1].reason == reason  # type: ignore[attr-defined]


class Wide(DSFL):
    """Asks for scores of other columns than the classes."""

    def forms(self, spec: Spec) -> Forms:  # noqa: ARG002
        scores = Form(Kind.LOGITS, Space.OPEN, (5,))
        return Forms({"labels": scores}, {"labels": scores})

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        return {"labels": server.map_mean("labels", lambda mean: mean)}


async def test_a_part_may_have_other_columns_than_the_classes() -> None:
    async with assembled(method=Wide(open_per_round=8)) as federation:
        await opened(federation)
        for client, value in (("a", 1.0), ("b", 3.0)):
            plan = (await pulled(federation, client)).plan
            assert plan is not None
            wanted = plan["labels"].rows
            parts = {"labels": class_scores(wanted, np.full((len(wanted), 5), value, np.float32))}
            sent = Uplink("test", client, 1, parts, {}, parts_digest(parts))
            assert await federation.admissions.push(sent) is Receipt.ACCEPTED
        second = await pulled(federation, "a", after=1)
        assert second.aggregate is not None
        assert second.aggregate["labels"].array[:].tolist() == [[2.0] * 5] * 8
        assert federation.coordinator.aggregation.failure is None


class Broken(DSFL):
    """Raises in one of its server functions."""

    where: str = ""

    def server_plan(self, server: ServerRound) -> Plan:
        self._raise("server_plan")
        return super().server_plan(server)

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        self._raise("server_aggregate")
        return super().server_aggregate(server)

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        self._raise("server_downlink")
        return server.aggregate(client.round - 1)

    def _raise(self, hook: str) -> None:
        if hook == self.where:
            raise KeyError("a slip")


@pytest.mark.parametrize("where", ["server_plan", "server_downlink"])
async def test_a_method_that_raises_is_named_to_who_waits_for_it(where: str) -> None:
    async with assembled(method=Broken(where=where)) as federation:
        for client in "ab":
            await federation.membership.enter(client)
        with pytest.raises(UserCodeError, match=f"method Broken raised KeyError in {where}: 'a slip'"):
            await pulled(federation, "a")


async def test_a_method_that_raises_when_it_aggregates_ends_the_run_by_name() -> None:
    async with assembled(method=Broken(where="server_aggregate")) as federation:
        await opened(federation)
        for client in "ab":
            await federation.admissions.push(uplink(client, await pulled(federation, client)))
        with pytest.raises(UserCodeError, match="method Broken raised KeyError in server_aggregate"):
            await running(federation)


async def test_a_small_block_waits_for_a_large_one_that_is_being_added(monkeypatch: pytest.MonkeyPatch) -> None:
    held, order = threading.Event(), list[str]()

    def add(self: RoundAggregator, parts: Parts, architecture: str) -> None:  # noqa: ARG001
        if len(parts["labels"].rows) > 10:
            held.wait(10)
        order.append("large" if len(parts["labels"].rows) > 10 else "small")

    monkeypatch.setattr(RoundAggregator, "add", add)
    store = new_store()
    asking = Asking(form=Form.labels(SPEC.output), rows=Rows(np.arange(10)))
    aggregation = Aggregation(SPEC, asking, {}, store)
    aggregation.open(1)
    await aggregation.current()
    rows = INLINE_BYTES // 4 + 1
    for count in (rows, 3):
        parts = {"labels": soft_labels(Rows(np.arange(count)), np.zeros((count, 1), np.float32))}
        aggregation.add("a", parts, "", lambda: None)
        await asyncio.sleep(0.02)
    assert order == []
    held.set()
    with pytest.raises(
        UserCodeError, match="NotImplementedError"
    ):  # `Asking` makes no aggregate; every addition is done by then
        await aggregation.aggregate()
    assert order == ["large", "small"]
    store.close()


@pytest.mark.parametrize(("rows", "beside"), [(3, False), (INLINE_BYTES // 4 + 1, True)], ids=["small", "large"])
async def test_a_large_block_is_checked_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, rows: int, *, beside: bool
) -> None:
    threads = list[int]()

    def check(_: RoundAggregator, parts: Parts) -> tuple[Parts, str]:
        threads.append(threading.get_ident())
        return parts, "cnn"

    monkeypatch.setattr(RoundAggregator, "check", check)
    store = new_store()
    aggregation = Aggregation(SPEC, DSFL(open_per_round=8), {}, store)
    aggregation.open(1)
    aggregator = await aggregation.current()
    assert aggregator is not None
    parts = {"labels": soft_labels(Rows(np.arange(rows)), np.zeros((rows, 1), np.float32))}
    assert await aggregation.check(aggregator, parts) == (parts, "cnn")
    assert [thread != threading.get_ident() for thread in threads] == [beside]
    store.close()


async def test_a_round_is_not_aggregated_without_an_addition_that_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(RoundAggregator, "add", add)
    store, woken = new_store(), list[str]()
    aggregation = Aggregation(SPEC, DSFL(open_per_round=8), {}, store)
    aggregation.open(1)
    aggregator = await aggregation.current()
    assert aggregator is not None
    wanted = aggregator.round.rows("labels")
    parts = {"labels": soft_labels(wanted, np.full((len(wanted), 3), 1 / 3, np.float32))}
    aggregation.add("a", parts, "", lambda: woken.append("a"))
    with pytest.raises(AdditionError, match="round 1: the uplink of a was not added: MemoryError: no room"):
        await aggregation.aggregate()
    assert woken == ["a"]
    store.close()
