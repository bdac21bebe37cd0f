"""The only driver of the round machine: it gives the machine time and events, and makes its facts durable.

Whatever answers a client (`Downlinks`, `UplinkAdmission`) does so only once the facts behind the answer are in the
journal.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import reduce

import structlog

from limbeck_common.core.errors import InternalError, LimbeckError
from limbeck_common.core.messages import Aggregate
from limbeck_common.methods.method import Refines
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.aggregation import AdditionError, Aggregation
from limbeck_server.aggregation.aggregator import RoundAggregator, aggregate_digest
from limbeck_server.aggregation.server_model_trainer import ServerModel, ServerModelTrainer
from limbeck_server.events import (
    Aggregated,
    ClientJoined,
    Declined,
    Evicted,
    Fact,
    FederationEnded,
    Founded,
    Opened,
    Revoked,
    UplinkAccepted,
    UplinksDeleted,
)
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.checkpoint import Progress, from_text, to_text
from limbeck_server.round.clock import SteadyClock
from limbeck_server.round.machine import Machine
from limbeck_server.round.open_pulls import OpenPulls
from limbeck_server.round.presence import Presence
from limbeck_server.round.state import FederationPhase, FederationState
from limbeck_server.storage.journal import Journal
from limbeck_server.storage.protocols import Checkpoint, FactStore, Store, StoredParts

_TICK_SECONDS = 0.2
_BATCH = 1000  # facts read at a time
_CHECKPOINT_FACTS = 10_000  # between two checkpoints
_OF_A_CLIENT = (ClientJoined, UplinkAccepted, Declined, Evicted, Revoked)
_log = structlog.get_logger()


class Coordinator:
    """One federation, from its founding to its end."""

    def __init__(  # noqa: PLR0913 - its parts, by keyword
        self,
        machine: Machine,
        store: Store,
        aggregation: Aggregation,
        presence: Presence,
        *,
        server_model: ServerModel | None = None,
        keep_rounds: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.machine = machine
        self.store = store
        self.aggregation = aggregation
        self.presence = presence
        self.attendance = Attendance()
        presence.changed = self._attend
        self.clock = clock or SteadyClock()
        self.progress = Progress()
        self.notified: set[str] = set()  # clients that know of the end
        self.changed = asyncio.Event()  # set when something has been decided
        self.pulls = OpenPulls()  # woken when an open pull may have its answer
        self.trainer = ServerModelTrainer(
            server_model, store, self.decide, self.clock, refines=isinstance(aggregation.method, Refines)
        )
        self._checked = 0  # facts in the last checkpoint
        self._keep_rounds = keep_rounds
        self._journal = Journal(store)
        self._internal_error: InternalError | None = None

    @property
    def state(self) -> FederationState:
        """What has happened in the federation."""
        return self.progress.state

    def recover(self, federation_id: str) -> bool:
        """Go on from the journal, or found the federation `federation_id`. Returns whether it was founded.

        Reads the store, so it is called before anything is served.
        """
        aggregated = self._replay()
        if aggregated is None:
            text = self.store.note("spec") or self.store.note("spec", self.aggregation.spec.model_dump_json()) or ""
            named = hashlib.sha256(text.encode()).hexdigest()
            self.decide([Founded(at=self.clock(), federation_id=federation_id, spec=named)])
            return True
        for client in self.state.members:
            self.presence.saw(client)
        self.aggregation.keep(aggregated, self.store.aggregates(aggregated))
        if self.state.phase in {FederationPhase.COLLECTING, FederationPhase.AGGREGATING} and not self.state.closing:
            self.aggregation.reopen(self.state.round)
        for past in range(1, aggregated + 1):
            self.trainer.put(past)
        self.decide(self.machine.restart(self.state, self.clock()))
        _log.info("recovered", phase=self.state.phase, round=self.state.round, uplinks=len(self.state.delivered))
        return False

    async def run(self) -> None:
        """Drive the federation to its end, and the server's model through its last round.

        Raises:
            LimbeckError: the federation cannot go on; the journal holds all that was acknowledged.
            InternalError: a task failed in a way that nobody foresaw; the federation has failed, and says so.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._journal.run())
                training = tasks.create_task(self._guard(self.trainer.run()))
                while not self.state.phase.ended:
                    await self._guard(self._advance())
                self.trainer.finish()
                await training
                self._journal.close()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._internal_error is not None:
            raise self._internal_error

    def apply(self, decision: Callable[..., Sequence[Fact]], *arguments: object) -> asyncio.Future[None]:
        """Apply one of the machine's decisions, `decision(state, *arguments, now)`.

        The future is done once what follows is durable.
        """
        return self.decide(decision(self.state, *arguments, self.clock()))

    def decide(self, facts: Sequence[Fact], blocks: Sequence[StoredParts] = ()) -> asyncio.Future[None]:
        """Apply facts at once, so that the next decision sees them; the future is done once they are durable."""
        for fact in facts:
            self.progress = self.progress.after(fact)
            if isinstance(fact, _OF_A_CLIENT):
                self._attend(fact.client)
            if isinstance(fact, Opened):
                self.attendance = Attendance.of(self.state, self.presence.present())
                self.aggregation.close() if fact.closing else self.aggregation.open(fact.round)
            if isinstance(fact, Opened | FederationEnded | Evicted | Revoked):
                self.pulls.wake()
        self.wake()
        return self._journal.append(facts, blocks)

    def wake(self) -> None:
        """Have the machine look again, because something has changed."""
        self.changed = wake(self.changed)

    def advance(self) -> None:
        """Let the machine draw its conclusions from the time and from who is present."""
        self.presence.present()  # clients that have gone away meanwhile
        while facts := self.machine.tick(self.state, self.attendance, self.clock()):
            self.decide(facts)

    async def settled(self) -> None:
        """Wait until all that has been decided so far is in the journal."""
        await self._journal.append([])

    async def watch(self, after: int) -> AsyncIterator[tuple[int, Fact]]:
        """Yield numbered facts, past ones first, until the federation has ended and all is told."""
        number = after
        while True:
            changed, ended = self.changed, self._journal.closed
            await self.settled()
            while batch := await asyncio.to_thread(self.store.facts, number, _BATCH):
                for fact in batch:
                    number += 1
                    yield number, fact
            if ended:
                return
            await wait(changed, _TICK_SECONDS)

    async def until_notified(self) -> None:
        """Wait until every present member knows of the end."""
        while not self._all_notified():
            await wait(self.changed, _TICK_SECONDS)

    def _all_notified(self) -> bool:
        self.presence.present()
        here = self.attendance.present
        return len(here) <= len(self.notified) and here <= self.notified  # the lengths first: it is asked per client

    def _attend(self, client: str) -> None:
        self.attendance.update(self.state, client, present=client in self.presence)

    def _replay(self) -> int | None:
        """Take up the journal's state, and return the last aggregated round; None where the journal is empty."""
        self.progress, self._checked = replay(self.store)
        self.trainer.evaluated = self.progress.evaluated
        return self.progress.aggregated if self.progress.facts else None

    async def _keep_checkpoint(self) -> None:
        """Keep a checkpoint, if the last one is so far back that a restart would take long."""
        progress = self.progress
        if progress.facts - self._checked < _CHECKPOINT_FACTS:
            return
        self._checked = progress.facts
        await self.settled()
        await asyncio.to_thread(lambda: self.store.keep_checkpoint(Checkpoint(progress.facts, to_text(progress))))

    async def _advance(self) -> None:
        """Take the next step, or wait for something to happen. A lost addition ends the federation."""
        changed = self.changed
        self.advance()
        try:
            await self.aggregation.current()
            if self.state.phase is FederationPhase.AGGREGATING:
                await self._aggregate()
            else:
                await wait(changed, _TICK_SECONDS)
            if self.aggregation.failure is not None:
                raise self.aggregation.failure
        except AdditionError as error:
            _log.error("an acknowledged uplink is missing from the sums", error=str(error))
            self.apply(self.machine.fail, str(error))

    async def _guard(self, work: Awaitable[None]) -> None:
        """Do work; where it fails in a way that nobody foresaw, end the federation, so that every client is told."""
        try:
            await work
        except LimbeckError:
            raise
        except Exception as error:  # noqa: BLE001 - `run` raises it once the end is in the journal
            said = f"internal error: {type(error).__name__}: {error}"
            _log.error("a task failed", exc_info=error)
            self._internal_error = InternalError(said, remedy="report it, with the log")
            self._internal_error.__cause__ = error
            self.apply(self.machine.fail, said)

    async def _aggregate(self) -> None:
        """Turn the round's uplinks into its aggregate, and publish it once it is durable."""
        await self.settled()  # the method may read the uplinks back
        began = self.clock()
        aggregator, aggregate = await self.aggregation.aggregate()
        aggregate = await self.trainer.refine(aggregator, aggregate)
        digests = await asyncio.to_thread(_check_and_name, aggregator, aggregate)
        number = aggregator.number
        stored = Aggregated(
            at=self.clock(),
            round=number,
            digest=aggregate_digest(digests),
            digests=digests,
            moves=dict(aggregate.moves),
        )
        facts = self.machine.aggregated(self.state, stored)
        if not facts:  # an operator ended it meanwhile
            return
        self.aggregation.keep(number, aggregate.blocks)
        self.aggregation.close()
        self.trainer.put(number, aggregator)
        blocks = [
            StoredParts(number, who, parts, aggregate=True, digest=digests[who])
            for who, parts in aggregate.blocks.items()
        ]
        self.decide([*facts, *self._delete(number)], blocks)
        _log.info("aggregated", round=number, seconds=round(self.clock() - began, 4))
        await self._keep_checkpoint()

    def _delete(self, number: int) -> list[Fact]:
        """Return what deletes the uplinks that were kept for long enough, now that `number` is aggregated."""
        last = number - self._keep_rounds
        return [UplinksDeleted(at=self.clock(), round=last)] if self._keep_rounds and last >= 1 else []


def _check_and_name(aggregator: RoundAggregator, aggregate: Aggregate) -> dict[str, str]:
    """Return the digests (hexadecimal) of an aggregate by audience, once it is known to be sound."""
    aggregator.check_aggregate(aggregate)
    return {audience: parts_digest(parts).hex() for audience, parts in sorted(aggregate.blocks.items())}


def replay(store: FactStore) -> tuple[Progress, int]:
    """Return what a store's facts add up to, and how many of them its checkpoint stood for."""
    kept = store.checkpoint()
    progress = (kept and from_text(kept.text)) or Progress()
    checked = progress.facts
    while batch := store.facts(progress.facts, _BATCH):
        progress = reduce(Progress.after, batch, progress)
    return progress, checked


def wake(event: asyncio.Event) -> asyncio.Event:
    """Wake all that wait for an event, and return the next one to wait for."""
    event.set()
    return asyncio.Event()


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
