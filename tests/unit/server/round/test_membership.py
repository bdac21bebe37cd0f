"""Who becomes a member, and which messages are for this federation."""

import time
from typing import Any

import pytest
from support.federations import OPEN, assembled, new_store

from limbeck_common.core.errors import EpochError, FederationError, MembershipError, NotServedError
from limbeck_common.core.spec import PROTOCOL_VERSION
from limbeck_common.datasets.open_digest import open_digest
from limbeck_server.events import ClientJoined, Declined, Restored
from limbeck_server.round.presence import Presence


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


async def test_a_client_is_durably_a_member_once_it_has_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    commit = store.commit

    def slowly(*given: Any) -> None:
        time.sleep(0.1)
        commit(*given)

    monkeypatch.setattr(store, "commit", slowly)
    async with assembled(store) as federation:
        await federation.membership.enter("a")
        assert [fact.client for fact in store.facts() if isinstance(fact, ClientJoined)] == ["a"]
    store.close()


async def test_a_decline_is_a_sign_of_life() -> None:
    now = [1000.0]
    async with assembled(presence=Presence(10, lambda: now[0])) as federation:
        for client in "ab":
            await federation.membership.enter(client)
        now[0] += 8
        await federation.membership.decline("a", 1)
        now[0] += 8
        assert federation.coordinator.presence.present() == {"a"}


@pytest.mark.parametrize(("given", "size"), [({}, 80), ({"open_data": None}, 0)], ids=["served", "not served"])
async def test_an_invitation_says_how_many_bytes_of_open_data_the_server_sends(
    given: dict[str, None], size: int
) -> None:
    async with assembled(**given) as federation:
        invitation = await federation.membership.join("a", PROTOCOL_VERSION, open_digest(OPEN), 3)
        assert invitation.open_data_size == size
        assert "a" in federation.coordinator.state.members


async def test_open_data_comes_from_an_offset_on_where_there_is_any() -> None:
    async with assembled() as federation:
        sent = b"".join(federation.membership.stream("test", 3))
        assert sent == bytes(range(3, 80))
    async with assembled(open_data=None) as federation:
        with pytest.raises(NotServedError):
            federation.membership.stream("test", 0)
