"""Who becomes a member, and which messages are for this federation."""

import pytest
from support.federations import assembled

from limbeck_common.core.errors import EpochError, FederationError, MembershipError, NotServedError
from limbeck_server.events import Declined, Restored


async def test_a_message_for_another_federation_is_told_to_join_again() -> None:
    async with assembled() as federation:
        federation.membership.check("test")
        with pytest.raises(FederationError, match="a message for federation 'g'; expected 'test'; join again"):
            federation.membership.check("g")


async def test_a_message_from_before_the_store_was_restored_is_told_to_join_again() -> None:
    async with assembled() as federation:
        for epoch in (None, 0, 1):
            federation.membership.check("test", epoch)
        with pytest.raises(EpochError, match="a message of epoch 2; expected epoch 1"):
            federation.membership.check("test", 2)
        federation.coordinator.decide([Restored(at=1, epoch=2)])
        federation.membership.check("test", 2)
        for epoch in (0, 1):
            with pytest.raises(EpochError, match="a message of epoch 1; expected epoch 2"):
                federation.membership.check("test", epoch)


async def test_a_member_that_declines_is_not_waited_for_and_a_foreign_client_may_not() -> None:
    async with assembled() as federation:
        await federation.membership.enter("a")
        await federation.membership.enter("b")
        federation.coordinator.advance()
        assert federation.coordinator.state.missing == {"a", "b"}
        await federation.membership.decline("a", 1)
        assert federation.coordinator.state.missing == {"b"}
        assert [fact.client for fact in federation.store.facts() if isinstance(fact, Declined)] == ["a"]
        with pytest.raises(MembershipError, match="z is not a member"):
            await federation.membership.decline("z", 1)


async def test_open_data_comes_from_an_offset_on_where_there_is_any() -> None:
    async with assembled() as federation:
        sent = b"".join(federation.membership.stream("test", 3))
        assert sent == bytes(range(3, 80))
    async with assembled(open_data=None) as federation:
        with pytest.raises(NotServedError):
            federation.membership.stream("test", 0)
