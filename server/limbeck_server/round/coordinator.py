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
    Answer,
    Block,
    Downlink,
    Ended,
    Idle,
    Receipt,
    Shapes,
    Space,
    Task,
    Teaching,
    Uplink,
    nbytes,
)
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Method
from limbeck_common.wire.codec import block_digest
from limbeck_server import events as fact
from limbeck_server.round.aggregator import Gathering, Ground, teaching_digest
from limbeck_server.round.machine import Machine, Phase, State, evolve
from limbeck_server.round.presence import Presence
from limbeck_server.round.validation import check_form, check_metrics
from limbeck_server.storage.journal import Journal
from limbeck_server.storage.sqlite import INLINE_BYTES, TEACHER, Filed, Store

_Result = TypeVar("_Result")

_TICK_SECONDS = 0.2
_BATCH = 1000  # facts read at a time
_log = structlog.get_logger()


class Pupil(Protocol):
    """The server's own model, wherever it lives."""

    async def learn(self, number: int, teaching: Mapping[str, Block]) -> dict[str, float]:
        """Learn from what round `number` taught, by group, and return the model's figures."""

    async def refine(self, number: int, teaching: Teaching, uplinks: Iterator[tuple[str, Block]]) -> Teaching:
        """Return round `number`'s teaching as the method's `refine` betters it."""


class Coordinator:
    """One federation, from its founding to its end. Transports call join, pull and push."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts, each made by the daemon or the lab
        self,
        spec: Spec,
        machine: Machine,
        method: Method,
        store: Store,
        presence: Presence,
        pupil: Pupil | None = None,
        models: Mapping[str, Shapes] | None = None,
    ) -> None:
        self.spec = spec
        self.machine = machine
        self.presence = presence
        self.state = State()
        self.told: set[str] = set()  # clients that know of the end
        self._method = method
        self.store = store
        self._journal = Journal(store)
        self._pupil = pupil
        self._changed = asyncio.Event()  # something has been decided
        self._turned = asyncio.Event()  # and an open pull may have its answer
        self._ground = Ground(spec, models or {}, self._find)
        self._gathering: Gathering | None = None  # none between rounds and in the closing one
        self._taught: tuple[int, Mapping[str, Block]] = (0, {})  # the last round's teaching
        self._counting: set[asyncio.Future[None]] = set()  # tally additions under way
        self._thread = ThreadPoolExecutor(1, "counting")  # one: two additions at a time would race
        self._evaluated = 0  # the last round that the server's model was measured after
        self._lessons: asyncio.Queue[tuple[int, Gathering | None] | None] = asyncio.Queue()  # rounds to learn from

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
        if self.state.phase in {Phase.COLLECTING, Phase.AGGREGATING}:
            self._plan()
            if self._gathering is not None:
                self._gathering.refill()
        for past in range(1, taught + 1):
            self._lessons.put_nowait((past, None))
        self._taught = (taught, self.store.teachings(taught))
        self._decide(self.machine.restart(self.state, time.time()))
        _log.info("recovered", phase=self.state.phase, round=number, uplinks=len(self.state.delivered))

    def _replay(self) -> int | None:
        """Take up the journal's state, and return the last round that was taught; None where there is no journal."""
        taught = count = 0
        while batch := self.store.facts(count, _BATCH):
            count += len(batch)
            for each in batch:
                self.state = evolve(self.state, each)
                if isinstance(each, fact.Taught):
                    taught = each.round
                if isinstance(each, fact.Evaluated):
                    self._evaluated = each.round
        return taught if count else None

    async def run(self) -> None:
        """Drive the federation to its end, and the server's model through its last lesson."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._journal.run())
                lessons = tasks.create_task(self._teach_pupil())
                while not self.state.phase.ended:
                    self.advance()
                    if self.state.phase is Phase.AGGREGATING:
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
                self.told.add(client)
                self._changed = _wake(self._changed)
            return answer
        finally:
            self.presence.saw(client, -1)

    def expect(self, client: str, announced: Uplink) -> tuple[Receipt, Task | None]:
        """Judge an uplink by its head: return what it will be, if its block is sound, and what is asked for.

        Raises:
            RefusalError: it is not wanted from this client, whatever its block may be; the disk has no room for it.
        """
        check_metrics(announced.metrics)
        receipt, _ = self.machine.deliver(self.state, _kept(client, announced))
        self.presence.saw(client)
        if receipt is Receipt.ACCEPTED:
            self.store.check_room()
        return receipt, None if self._gathering is None else self._gathering.task

    async def push(self, client: str, uplink: Uplink) -> Receipt:
        """Judge an uplink, and return its receipt once it is durable.

        Raises:
            RefusalError: it is not what was asked for; nothing of it is kept.
        """
        block, gathering = uplink.contribution, self._gathering
        received, group = None, ""
        receipt, _ = self.expect(client, uplink)
        if receipt is Receipt.ACCEPTED:
            if gathering is None:
                check_form(block, None, self.spec)
            else:
                received, group = await self._beside(block, gathering.check, block)
        kept = _kept(client, uplink)
        if block is not None and block.space is Space.PARAMETERS:
            kept = replace(kept, group=group)
        receipt, facts = self.machine.deliver(self.state, kept)  # a large block's check took its time
        if receipt is Receipt.ACCEPTED and received is not None and gathering is not None:
            gathering.admit(received, group)
            counting = asyncio.ensure_future(self._beside(block, gathering.add, received, group))
            self._counting.add(counting)
            counting.add_done_callback(self._counting.discard)
        filed = [] if block is None or receipt is not Receipt.ACCEPTED else [Filed(uplink.round, client, block)]
        await self._decide(facts, filed)
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

    async def until_told(self) -> None:
        """Wait until every present member knows of the end."""
        while (self.presence.present() & self.state.active) - self.told:
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
        if state.phase is Phase.COLLECTING and state.round > after and asked:
            return Downlink(
                federation_id=state.federation_id,
                round=state.round,
                teaching=self._method.brief(self._ground, state.round, state.groups.get(client, ""), learned),
                wanted=None if self._gathering is None else self._gathering.task.wanted,
                deadline_seconds=max(0.0, state.deadline - time.time()),
                closing=state.closing,
            )
        return Idle(state.phase, state.round)

    def _decide(self, facts: list[fact.Fact], filed: list[Filed] | None = None) -> asyncio.Future[None]:
        """Apply facts at once, so that the next decision sees them; the future is done when they are durable."""
        for each in facts:
            self.state = evolve(self.state, each)
            _log.debug("fact", **{"what": each.kind} | {k: v for k, v in vars(each).items() if k != "at"})
            if isinstance(each, fact.Opened):
                self._plan()
            if isinstance(each, fact.Opened | fact.Ended | fact.Evicted | fact.Revoked):
                self._turned = _wake(self._turned)
        self._changed = _wake(self._changed)
        return self._journal.append(facts, filed or [])

    def _plan(self) -> None:
        number = self.state.round
        self._gathering = None
        if not self.state.closing:
            stored = functools.partial(self.store.uplinks, number)
            self._gathering = Gathering(self._method, self._ground, number, stored, self.store.collect)

    def _find(self, number: int, group: str) -> Block | None:
        """Return what a round taught a group. The last one may not be in the store yet."""
        last, blocks = self._taught
        return blocks.get(group) if number == last else self.store.teaching(number, group)

    async def _beside(self, block: Block | None, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do work on a block: here where it is small, on the counting thread where it would hold up the loop."""
        if block is None or sum(map(nbytes, block.values)) <= INLINE_BYTES:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _aggregate(self) -> None:
        """Turn what the round brought into its teaching, and publish it once it is durable."""
        gathering, number = self._gathering, self.state.round
        if gathering is None:
            raise RuntimeError("nothing to aggregate in a closing round")
        await asyncio.gather(*self._counting)
        await self._journal.append([])  # the method may read the uplinks back
        began = time.monotonic()
        teaching = await asyncio.to_thread(gathering.teach)
        if self._method.refines and self._pupil is not None:
            await self._lessons.join()  # a model that the earlier rounds have taught: after a restart that takes time
            teaching = await self._pupil.refine(number, teaching, gathering.uplinks())
        await asyncio.to_thread(gathering.check_teaching, teaching)
        digests = {group: block_digest(block).hex() for group, block in sorted(teaching.blocks.items())}
        named = teaching_digest(digests)
        lesson = fact.Taught(at=time.time(), round=number, digest=named, digests=digests, groups=dict(teaching.groups))
        facts = self.machine.taught(self.state, lesson)
        if not facts:  # an operator ended it meanwhile
            return
        self._taught = (number, teaching.blocks)
        self._lessons.put_nowait((number, gathering))
        filed = [Filed(number, TEACHER + group, block) for group, block in teaching.blocks.items()]
        self._decide([*facts, *self._drop(number)], filed)
        self._gathering = None
        _log.info("taught", round=number, seconds=round(time.monotonic() - began, 4))

    def _drop(self, number: int) -> list[fact.Fact]:
        """Return what deletes the uplinks that have been kept for long enough, now that `number` is taught."""
        last = number - self.store.keep_rounds
        return [fact.Dropped(at=time.time(), round=last)] if 1 <= last < number else []

    async def _teach_pupil(self) -> None:
        """Give the server's model its lessons in order, beside the rounds."""
        while (lesson := await self._lessons.get()) is not None:
            number, gathering = lesson
            await self._journal.append([])
            if gathering is not None:
                await self._judge(gathering)
            if self._pupil is not None:
                await self._give(self._pupil, number)
            self._lessons.task_done()

    async def _give(self, pupil: Pupil, number: int) -> None:
        """Give the server's model one lesson, and note its figures."""
        try:
            figures = await pupil.learn(number, self.store.teachings(number))
        except LimbeckError as error:
            if self._method.refines:
                raise
            # The federation needs no model here: it goes on without one.
            _log.error("the server's own model failed", round=number, error=str(error))
            self._pupil = None
            return
        figures = {name: value for name, value in figures.items() if math.isfinite(value)}  # a model may diverge
        _log.info("evaluated", round=number, **figures)
        if number > self._evaluated:
            self._decide([fact.Evaluated(at=time.time(), round=number, figures=figures)])

    async def _judge(self, gathering: Gathering) -> None:
        """Say how far each client was from all of them; nothing where its uplinks have been dropped meanwhile."""
        found = await asyncio.to_thread(gathering.disagreement)
        if found and len(found) == gathering.clients:
            self._decide([fact.Judged(at=time.time(), round=gathering.number, figures=found)])


def _kept(client: str, uplink: Uplink) -> fact.Kept:
    return fact.Kept(
        at=time.time(),
        round=uplink.round,
        client=client,
        digest=uplink.digest.hex(),
        figures=dict(uplink.metrics),
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
