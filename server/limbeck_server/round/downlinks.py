"""Answers open pulls: each waits for the next round of its client, and is sent that round's downlink."""

import asyncio
import time

from limbeck_common.core.errors import MembershipError
from limbeck_common.core.messages import Answer, Block, Downlink, Ended, Idle, Rows
from limbeck_server.aggregation.method_errors import blaming
from limbeck_server.round.coordinator import Coordinator, wait
from limbeck_server.round.state import FederationPhase


class Downlinks:
    """The open round's downlinks, each made once for all clients of a group that have learned equally much."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._round = 0
        self._aggregates: dict[tuple[str, int], asyncio.Task[Block | None]] = {}  # by group and last round learned

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
            turned = coordinator.turned
            answer = await self._answer(client, after, learned)
            while isinstance(answer, Idle) and (left := until - time.monotonic()) > 0:
                await wait(turned, left)
                turned = coordinator.turned
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
            wanted, aggregate = await self._parts(state.round, state.groups.get(client, ""), learned)
            if self._coordinator.state.round == state.round and self._asks(client, after):
                return Downlink(
                    federation_id=state.federation_id,
                    round=state.round,
                    aggregate=aggregate,
                    wanted=wanted,
                    deadline_seconds=max(0.0, self._coordinator.state.deadline - self._coordinator.clock()),
                    closing=state.closing,
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

    async def _parts(self, number: int, group: str, learned: int) -> tuple[Rows | None, Block | None]:
        """Return what round `number` asks for, and its aggregate for a group's clients that know round `learned`."""
        aggregator = await self._coordinator.aggregation.current()
        if self._round != number:
            self._round, self._aggregates = number, {}
        made, key = self._aggregates, (group, min(learned, number))  # a client may claim any round
        if key not in made:
            making = made[key] = asyncio.create_task(asyncio.to_thread(self._make, number, *key))
            making.add_done_callback(lambda done: _failed(done) and made.pop(key))
        aggregate = await asyncio.shield(made[key])
        return None if aggregator is None else aggregator.ask.wanted, aggregate

    def _make(self, number: int, group: str, learned: int) -> Block | None:
        """Return the method's downlink. May read the store, so it runs beside the event loop."""
        aggregation = self._coordinator.aggregation
        with blaming(aggregation.method, "server_downlink"):
            return aggregation.method.server_downlink(aggregation.context, number, group, learned)


def _failed(made: asyncio.Task[Block | None]) -> bool:
    """Say whether a downlink was not made; the next pull tries again."""
    return made.cancelled() or made.exception() is not None
