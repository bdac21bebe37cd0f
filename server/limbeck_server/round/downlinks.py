"""Answers open pulls: each waits for the next round of its client, and is sent that round's downlink."""

import asyncio
import time
from collections.abc import Mapping

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import MembershipError
from limbeck_common.core.form import Ask
from limbeck_common.core.messages import Answer, Downlink, Ended, Idle
from limbeck_common.methods.method import downlink
from limbeck_common.methods.server_round import Recipient
from limbeck_server.aggregation.method_errors import blaming
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.state import FederationPhase


class Downlinks:
    """The open round's downlinks, each made once for all clients that get the same."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._round = 0
        self._aggregates: dict[Recipient, asyncio.Task[Parts | None]] = {}

    async def pull(self, client: str, after: int, seconds: float, learned: int = 0) -> Answer:
        """Return the first round after `after` that this client takes part in; Idle after `seconds`.

        `learned` is the last round that the client has taken up: it knows the aggregates of the rounds before that one.

        Raises:
            MembershipError: the client has not joined, or was evicted.
            BehindError: the client has begun a round that this store has not opened.
        """
        coordinator = self._coordinator
        self._check_member(client)  # before its name is remembered
        until = time.monotonic() + seconds
        coordinator.presence.saw(client, +1)
        try:
            turn = coordinator.pulls.turn
            answer = await self._answer(client, after, learned)
            while isinstance(answer, Idle) and (left := until - time.monotonic()) > 0:
                await coordinator.pulls.wait(turn, left)
                turn = coordinator.pulls.turn
                answer = await self._answer(client, after, learned)
            await coordinator.settled()
            if isinstance(answer, Ended):
                coordinator.notified.add(client)
                coordinator.wake()
            return answer
        finally:
            coordinator.presence.saw(client, -1)

    async def _answer(self, client: str, after: int, learned: int) -> Answer:
        state = self._coordinator.state
        if state.phase.ended:
            return Ended(state.phase, state.reason)
        self._check_member(client)
        self._coordinator.machine.check_known(state, after)
        if self._asks(client, after):
            recipient = Recipient(
                state.round,
                state.groups.get(client, ""),
                state.architectures.get(client, ""),
                min(learned, state.round),  # a client may claim any round
            )
            plan, aggregate = await self._content(recipient)
            if self._coordinator.state.round == state.round and self._asks(client, after):
                return Downlink(
                    federation_id=state.federation_id,
                    round=state.round,
                    aggregate=aggregate,
                    plan=plan,
                    deadline_seconds=max(0.0, self._coordinator.state.deadline - self._coordinator.clock()),
                )
        return Idle(state.phase, state.round)

    def _check_member(self, client: str) -> None:
        state = self._coordinator.state
        if not state.phase.ended and not state.admits(client):
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join again")

    def _asks(self, client: str, after: int) -> bool:
        """Say whether the open round still asks something of the client."""
        state = self._coordinator.state
        asked = client in state.participants and client not in state.delivered and client not in state.declined
        return state.phase is FederationPhase.COLLECTING and state.round > after and asked and state.admits(client)

    async def _content(self, client: Recipient) -> tuple[Mapping[str, Ask] | None, Parts | None]:
        """Return what a client's round asks for, None in the closing one, and what it learns from."""
        aggregator = await self._coordinator.aggregation.current()
        if self._round != client.round:
            self._round, self._aggregates = client.round, {}
        made = self._aggregates
        if client not in made:
            making = made[client] = asyncio.create_task(asyncio.to_thread(self._make, client))
            making.add_done_callback(lambda done: _failed(done) and made.pop(client))
        aggregate = await asyncio.shield(made[client])
        return None if aggregator is None else aggregator.round.plan, aggregate

    def _make(self, client: Recipient) -> Parts | None:
        """Return the method's downlink. May read the store, so it runs beside the event loop."""
        aggregation = self._coordinator.aggregation
        with blaming(aggregation.method, "server_downlink"):
            return downlink(aggregation.method, aggregation.history, client)


def _failed(made: asyncio.Task[Parts | None]) -> bool:
    """Say whether a downlink was not made; the next pull tries again."""
    return made.cancelled() or made.exception() is not None
