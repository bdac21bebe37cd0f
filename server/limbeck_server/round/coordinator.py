"""The only driver of the round machine: it gives it time and events, makes its facts durable, and does what follows.

An answer that shows a state is sent only once the facts behind that state are in the journal.
"""

import asyncio
import contextlib
import functools
import hashlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog

from limbeck_common.core.errors import LimbeckError, MembershipError
from limbeck_common.core.messages import (
    Aggregate,
    Answer,
    Ask,
    Block,
    Downlink,
    Ended,
    Idle,
    Receipt,
    Shapes,
    Space,
    Uplink,
    nbytes,
)
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Method
from limbeck_common.wire.codec import block_digest
from limbeck_server import events as fact
from limbeck_server.round.aggregator import RoundAggregator, ServerContext, aggregate_digest
from limbeck_server.round.machine import FederationPhase, FederationState, Machine, evolve
from limbeck_server.round.presence import Presence
from limbeck_server.round.validation import check_form, check_metrics
from limbeck_server.storage.journal import Journal
from limbeck_server.storage.sqlite import INLINE_BYTES, TEACHER, Store, StoredBlock

_Result = TypeVar("_Result")

_TICK_SECONDS = 0.2
_BATCH = 1000  # facts read at a time
_log = structlog.get_logger()


class ServerModel(Protocol):
    """The server's own model, wherever it lives."""

    async def learn(self, number: int, aggregate: Mapping[str, Block]) -> dict[str, float]:
        """Learn from what round `number` taught, by group, and return the model's metrics."""

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Block]]) -> Aggregate:
        """Return round `number`'s aggregate as the method's `refine` betters it."""


class Coordinator:
    """One federation, from its founding to its end. Transports call join, pull and push."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts, each made by the daemon or the lab
        self,
        spec: Spec,
        machine: Machine,
        method: Method,
        store: Store,
        presence: Presence,
        server_model: ServerModel | None = None,
        models: Mapping[str, Shapes] | None = None,
    ) -> None:
        self.spec = spec
        self.machine = machine
        self.presence = presence
        self.state = FederationState()
        self.notified: set[str] = set()  # clients that know of the end
        self._method = method
        self.store = store
        self._journal = Journal(store)
        self._server_model = server_model
        self._changed = asyncio.Event()  # something has been decided
        self._turned = asyncio.Event()  # and an open pull may have its answer
        self._context = ServerContext(spec, models or {}, self._find)
        self._aggregator: RoundAggregator | None = None  # none between rounds and in the closing one
        self._taught: tuple[int, Mapping[str, Block]] = (0, {})  # the last round's aggregate
        self._counting: set[asyncio.Future[None]] = set()  # tally additions under way
        self._thread = ThreadPoolExecutor(1, "counting")  # one: two additions at a time would race
        self._evaluated = 0  # the last round that the server's model was measured after
        self._lessons: asyncio.Queue[tuple[int, RoundAggregator | None] | None] = (
            asyncio.Queue()
        )  # rounds to learn from

    def recover(self, federation_id: str) -> None:
        """Go on from the journal, or found the federation `federation_id` where there is none."""
        taught = self._replay()
        if taught is None:
            text = self.spec.model_dump_json()
            if self.store.note("spec") is None:
                self.store.note("spec", text)
            named = hashlib.sha256(text.encode()).hexdigest()
            self._decide([fact.Founded(at=time.time(), federation_id=federation_id, spec=named)])
            return
        for client in self.state.members:
            self.presence.saw(client)
        number = self.state.round
        if self.state.phase in {FederationPhase.COLLECTING, FederationPhase.AGGREGATING}:
            self._plan()
            if self._aggregator is not None:
                self._aggregator.refill()
        for past in range(1, taught + 1):
            self._lessons.put_nowait((past, None))
        self._taught = (taught, self.store.aggregates(taught))
        self._decide(self.machine.restart(self.state, time.time()))
        _log.info("recovered", phase=self.state.phase, round=number, uplinks=len(self.state.delivered))

    def _replay(self) -> int | None:
        """Take up the journal's state, and return the last round that was taught; None where there is no journal."""
        taught = count = 0
        while batch := self.store.facts(count, _BATCH):
            count += len(batch)
            for each in batch:
                self.state = evolve(self.state, each)
                if isinstance(each, fact.Aggregated):
                    taught = each.round
                if isinstance(each, fact.Evaluated):
                    self._evaluated = each.round
        return taught if count else None

    async def run(self) -> None:
        """Drive the federation to its end, and the server's model through its last lesson."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._journal.run())
                lessons = tasks.create_task(self._train_server_model())
                while not self.state.phase.ended:
                    self.advance()
                    if self.state.phase is FederationPhase.AGGREGATING:
                        await self._aggregate()
                    else:
                        await _wait(self._changed, _TICK_SECONDS)
                self._lessons.put_nowait(None)
                await lessons
                self._journal.close()
        except* LimbeckError as group:
            raise group.exceptions[0] from None

    async def join(self, client: str) -> None:
        """Make a client that holds the right open data a member."""
        facts = self.machine.join(self.state, client, time.time())
        self.presence.saw(client)
        await self._decide(facts)

    async def pull(self, client: str, after: int, wait: float, learned: int = 0) -> Answer:
        """Return the first round after `after` that this client takes part in; Idle after `wait` seconds.

        `learned` is the last round that it has taken up.

        Raises:
            MembershipError: the client has not joined, or was evicted.
        """
        until = time.monotonic() + wait
        answer = self._answer(client, after, learned)
        self.presence.saw(client, +1)
        try:
            while isinstance(answer, Idle) and (left := until - time.monotonic()) > 0:
                await _wait(self._turned, left)
                answer = self._answer(client, after, learned)
            await self._journal.append([])
            if isinstance(answer, Ended):
                self.notified.add(client)
                self._changed = _wake(self._changed)
            return answer
        finally:
            self.presence.saw(client, -1)

    def expect(self, client: str, announced: Uplink) -> tuple[Receipt, Ask | None]:
        """Judge an uplink by its head: return what it will be, if its block is sound, and what is asked for.

        Raises:
            RefusalError: it is not wanted from this client, whatever its block may be; the disk has no room for it.
        """
        check_metrics(announced.metrics)
        receipt, _ = self.machine.deliver(self.state, _kept(client, announced))
        self.presence.saw(client)
        if receipt is Receipt.ACCEPTED:
            self.store.check_room()
        return receipt, None if self._aggregator is None else self._aggregator.ask

    async def push(self, client: str, uplink: Uplink) -> Receipt:
        """Judge an uplink, and return its receipt once it is durable.

        Raises:
            RefusalError: it is not what was asked for; nothing of it is kept.
        """
        block, aggregator = uplink.contribution, self._aggregator
        received, group = None, ""
        receipt, _ = self.expect(client, uplink)
        if receipt is Receipt.ACCEPTED:
            if aggregator is None:
                check_form(block, None, self.spec)
            else:
                received, group = await self._offload(block, aggregator.check, block)
        kept = _kept(client, uplink)
        if block is not None and block.space is Space.PARAMETERS:
            kept = replace(kept, group=group)
        receipt, facts = self.machine.deliver(self.state, kept)  # a large block's check took its time
        if receipt is Receipt.ACCEPTED and received is not None and aggregator is not None:
            aggregator.admit(received, group)
            counting = asyncio.ensure_future(self._offload(block, aggregator.add, received, group))
            self._counting.add(counting)
            counting.add_done_callback(self._counting.discard)
        blocks = [] if block is None or receipt is not Receipt.ACCEPTED else [StoredBlock(uplink.round, client, block)]
        await self._decide(facts, blocks)
        _log.info("uplink", client=client, round=uplink.round, receipt=receipt)
        return receipt

    async def watch(self, after: int) -> AsyncIterator[tuple[int, fact.Fact]]:
        """Yield numbered facts, past ones first, until the federation has ended and all is told."""
        number = after
        while True:
            changed, ended = self._changed, self._journal.closed
            await self._journal.append([])
            while batch := await asyncio.to_thread(self.store.facts, number, _BATCH):
                for each in batch:
                    number += 1
                    yield number, each
            if ended:
                return
            await _wait(changed, _TICK_SECONDS)

    def operate(self, facts: list[fact.Fact]) -> asyncio.Future[None]:
        """Apply what an operator has had the machine decide."""
        return self._decide(facts)

    async def until_notified(self) -> None:
        """Wait until every present member knows of the end."""
        while (self.presence.present() & self.state.active) - self.notified:
            await _wait(self._changed, _TICK_SECONDS)

    async def park(self) -> None:
        """Wait until all that has been decided is in the journal."""
        await self._journal.append([])

    def advance(self) -> None:
        """Let the machine draw its conclusions from the time and from who is present."""
        while facts := self.machine.tick(self.state, self.presence.present(), time.time()):
            self._decide(facts)

    def _answer(self, client: str, after: int, learned: int) -> Answer:
        state = self.state
        if state.phase.ended:
            return Ended(state.phase, state.reason)
        if not state.admits(client):
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join again")
        asked = client in state.participants and client not in state.delivered
        if state.phase is FederationPhase.COLLECTING and state.round > after and asked:
            return Downlink(
                federation_id=state.federation_id,
                round=state.round,
                aggregate=self._method.server_downlink(
                    self._context, state.round, state.groups.get(client, ""), learned
                ),
                wanted=None if self._aggregator is None else self._aggregator.ask.wanted,
                deadline_seconds=max(0.0, state.deadline - time.time()),
                closing=state.closing,
            )
        return Idle(state.phase, state.round)

    def _decide(self, facts: list[fact.Fact], blocks: list[StoredBlock] | None = None) -> asyncio.Future[None]:
        """Apply facts at once, so that the next decision sees them; the future is done when they are durable."""
        for each in facts:
            self.state = evolve(self.state, each)
            _log.debug("fact", **{"what": each.kind} | {k: v for k, v in vars(each).items() if k != "at"})
            if isinstance(each, fact.Opened):
                self._plan()
            if isinstance(each, fact.Opened | fact.FederationEnded | fact.Evicted | fact.Revoked):
                self._turned = _wake(self._turned)
        self._changed = _wake(self._changed)
        return self._journal.append(facts, blocks or [])

    def _plan(self) -> None:
        number = self.state.round
        self._aggregator = None
        if not self.state.closing:
            stored = functools.partial(self.store.uplinks, number)
            self._aggregator = RoundAggregator(self._method, self._context, number, stored, self.store.collect)

    def _find(self, number: int, group: str) -> Block | None:
        """Return what a round taught a group. The last one may not be in the store yet."""
        last, blocks = self._taught
        return blocks.get(group) if number == last else self.store.aggregate(number, group)

    async def _offload(self, block: Block | None, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do work on a block: here where it is small, on the counting thread where it would hold up the loop."""
        if block is None or sum(map(nbytes, block.values)) <= INLINE_BYTES:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _aggregate(self) -> None:
        """Turn what the round brought into its aggregate, and publish it once it is durable."""
        aggregator, number = self._aggregator, self.state.round
        if aggregator is None:
            raise RuntimeError("nothing to aggregate in a closing round")
        await asyncio.gather(*self._counting)
        await self._journal.append([])  # the method may read the uplinks back
        began = time.monotonic()
        aggregate = await asyncio.to_thread(aggregator.aggregate)
        if self._method.refines and self._server_model is not None:
            await self._lessons.join()  # a model that the earlier rounds have taught: after a restart that takes time
            aggregate = await self._server_model.refine(number, aggregate, aggregator.uplinks())
        await asyncio.to_thread(aggregator.check_aggregate, aggregate)
        digests = {group: block_digest(block).hex() for group, block in sorted(aggregate.blocks.items())}
        named = aggregate_digest(digests)
        stored = fact.Aggregated(
            at=time.time(), round=number, digest=named, digests=digests, groups=dict(aggregate.groups)
        )
        facts = self.machine.aggregated(self.state, stored)
        if not facts:  # an operator ended it meanwhile
            return
        self._taught = (number, aggregate.blocks)
        self._lessons.put_nowait((number, aggregator))
        blocks = [StoredBlock(number, TEACHER + group, block) for group, block in aggregate.blocks.items()]
        self._decide([*facts, *self._drop(number)], blocks)
        self._aggregator = None
        _log.info("aggregated", round=number, seconds=round(time.monotonic() - began, 4))

    def _drop(self, number: int) -> list[fact.Fact]:
        """Return what deletes the uplinks that have been kept for long enough, now that `number` is taught."""
        last = number - self.store.keep_rounds
        return [fact.UplinksDeleted(at=time.time(), round=last)] if 1 <= last < number else []

    async def _train_server_model(self) -> None:
        """Give the server's model its lessons in order, beside the rounds."""
        while (lesson := await self._lessons.get()) is not None:
            number, aggregator = lesson
            await self._journal.append([])
            if aggregator is not None:
                await self._judge(aggregator)
            if self._server_model is not None:
                await self._give(self._server_model, number)
            self._lessons.task_done()

    async def _give(self, server_model: ServerModel, number: int) -> None:
        """Give the server's model one lesson, and note its metrics."""
        try:
            metrics = await server_model.learn(number, self.store.aggregates(number))
        except LimbeckError as error:
            if self._method.refines:
                raise
            # The federation needs no model here: it goes on without one.
            _log.error("the server's own model failed", round=number, error=str(error))
            self._server_model = None
            return
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}  # a model may diverge
        _log.info("evaluated", round=number, **metrics)
        if number > self._evaluated:
            self._decide([fact.Evaluated(at=time.time(), round=number, metrics=metrics)])

    async def _judge(self, aggregator: RoundAggregator) -> None:
        """Say how far each client was from all of them; nothing where its uplinks have been dropped meanwhile."""
        found = await asyncio.to_thread(aggregator.disagreement)
        if found and len(found) == aggregator.clients:
            self._decide([fact.DisagreementMeasured(at=time.time(), round=aggregator.number, metrics=found)])


def _kept(client: str, uplink: Uplink) -> fact.UplinkAccepted:
    return fact.UplinkAccepted(
        at=time.time(),
        round=uplink.round,
        client=client,
        digest=uplink.digest.hex(),
        metrics=dict(uplink.metrics),
    )


def _wake(event: asyncio.Event) -> asyncio.Event:
    """Wake all that wait for an event, and return the next one to wait for."""
    event.set()
    return asyncio.Event()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
