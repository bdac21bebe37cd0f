"""Pulls are answered with the round's downlink, made once for all that get the same."""

import asyncio
import threading

import pytest
from support.federations import assembled, opened, pulled, uplink

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import BehindError, MembershipError, UserCodeError
from limbeck_common.core.messages import Downlink, Ended, Idle
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import PastRounds, Recipient
from limbeck_server.round.coordinator import wait
from limbeck_server.round.machine import Bounds, Machine


async def test_a_downlink_says_what_is_wanted_until_when_and_what_was_aggregated() -> None:
    async with assembled() as federation:
        await opened(federation)
        first = await pulled(federation, "a")
        assert (first.federation_id, first.round, first.aggregate, first.closing) == ("test", 1, None, False)
        assert first.plan is not None
        wanted = first.plan["labels"].rows
        assert len(wanted) == 8
        assert 55 < first.deadline_seconds <= 60
        for client, value in (("a", 0.5), ("b", 0.75)):
            downlink = await pulled(federation, client)
            await federation.admissions.push(uplink(client, downlink, value))
        second = await pulled(federation, "a", after=1)
        assert second.round == 2
        assert second.aggregate is not None
        assert second.aggregate["labels"].rows.tolist() == wanted.indices.tolist()


async def test_who_is_no_member_is_refused_and_an_evicted_client_is_told_nothing() -> None:
    async with assembled() as federation:
        await opened(federation)
        coordinator = federation.coordinator
        with pytest.raises(MembershipError, match="z is not a member"):
            await federation.downlinks.pull("z", 0, 0)
        await coordinator.apply(coordinator.machine.evict, "a")
        with pytest.raises(MembershipError, match="a is not a member"):
            await federation.downlinks.pull("a", 0, 0)
        assert isinstance(await federation.downlinks.pull("b", 0, 0), Downlink)


async def test_a_client_that_knows_more_than_the_store_is_told_so() -> None:
    async with assembled() as federation:
        await opened(federation)
        with pytest.raises(BehindError, match="the server is in round 1, the client has begun round 6"):
            await federation.downlinks.pull("a", 6, 0)


async def test_a_client_that_has_answered_or_declined_waits_for_the_next_round() -> None:
    async with assembled() as federation:
        await opened(federation)
        await federation.admissions.push(uplink("a", await pulled(federation, "a")))
        assert await federation.downlinks.pull("a", 0, 0) == Idle("collecting", 1)
        await federation.membership.decline("b", 1)
        assert await federation.downlinks.pull("b", 0, 0) == Idle("collecting", 1)


async def test_an_open_pull_ends_with_the_federation() -> None:
    async with assembled() as federation:
        await federation.membership.enter("a")
        waiting = asyncio.create_task(federation.downlinks.pull("a", 0, 30))
        await asyncio.sleep(0.05)
        coordinator = federation.coordinator
        assert coordinator.presence.present() == {"a"}
        await coordinator.apply(coordinator.machine.stop, "enough")
        async with asyncio.timeout(5):
            assert await waiting == Ended("stopped", "enough")
        assert coordinator.notified == {"a"}


class Counting(DSFL):
    """Notes each downlink that it makes, and the thread that it was made on."""

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        MADE.append((client, threading.get_ident()))
        return server.aggregate(client.round - 1)


MADE: list[tuple[Recipient, int]] = []


async def test_a_downlink_is_made_once_for_a_group_and_beside_the_event_loop() -> None:
    MADE.clear()
    bounds = Bounds(6, 6, 0, 60)
    async with assembled(method=Counting(open_per_round=8), machine=Machine(1, 0, bounds, bounds)) as federation:
        clients = "abcdef"
        for client in clients:
            await federation.membership.enter(client)
        await asyncio.gather(*(pulled(federation, client) for client in clients))
        assert [made for made, _ in MADE] == [Recipient(1)]
        await asyncio.gather(*(pulled(federation, client, learned=1) for client in "ab"), pulled(federation, "c"))
        assert [made for made, _ in MADE] == [Recipient(1), Recipient(1, learned=1)]
        await asyncio.gather(*(pulled(federation, "a", learned=any_round) for any_round in range(1, 99)))
        assert len(MADE) == 2  # a client may claim any round, and all that the server knows is round 1
        assert threading.get_ident() not in {thread for _, thread in MADE}


class Stumbling(DSFL):
    """Fails at its first downlink, and at no other."""

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        STUMBLED.append(client.round)
        if len(STUMBLED) == 1:
            raise OSError("too many open files")
        return server.aggregate(client.round - 1)


STUMBLED: list[int] = []


async def test_a_downlink_that_could_not_be_made_is_made_at_the_next_pull() -> None:
    STUMBLED.clear()
    async with assembled(method=Stumbling(open_per_round=8)) as federation:
        await opened(federation)
        with pytest.raises(UserCodeError, match="method Stumbling raised OSError in server_downlink: too many open"):
            await federation.downlinks.pull("a", 0, 0)
        assert (await pulled(federation, "a")).round == 1
        assert STUMBLED == [1, 1]


class Slow(DSFL):
    """Makes its downlinks when it is let."""

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        LET.wait(10)
        return server.aggregate(client.round - 1)


LET = threading.Event()


async def test_a_client_whose_round_closed_while_its_downlink_was_made_gets_the_next_one() -> None:
    LET.clear()
    machine = Machine(2, 0, Bounds(2, 2, 0, 60), Bounds(1, 2, 0, 60))
    async with assembled(method=Slow(open_per_round=8), machine=machine) as federation:
        await opened(federation)
        coordinator = federation.coordinator
        pulling = asyncio.create_task(federation.downlinks.pull("a", 0, 10))
        aggregator = await coordinator.aggregation.current()
        assert aggregator is not None
        await federation.admissions.push(uplink("b", Downlink("test", 1, plan=aggregator.round.plan)))
        await coordinator.apply(coordinator.machine.close)
        async with asyncio.timeout(10):
            while coordinator.state.round < 2:
                await wait(coordinator.changed, 1)
        LET.set()
        answer = await pulling
        assert isinstance(answer, Downlink)
        assert answer.round == 2


async def test_a_client_that_is_evicted_while_its_downlink_is_made_does_not_get_it() -> None:
    LET.clear()
    async with assembled(method=Slow(open_per_round=8)) as federation:
        await opened(federation)
        pulling = asyncio.create_task(federation.downlinks.pull("a", 0, 10))
        await asyncio.sleep(0.05)
        await federation.coordinator.apply(federation.coordinator.machine.evict, "a")
        LET.set()
        with pytest.raises(MembershipError, match="a is not a member"):
            await pulling


async def test_the_name_of_a_stranger_is_not_remembered() -> None:
    async with assembled() as federation:
        await opened(federation)
        with pytest.raises(MembershipError):
            await federation.downlinks.pull("z", 0, 0)
        assert federation.coordinator.presence.present() == {"a", "b"}
