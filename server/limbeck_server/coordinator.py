"""The only driver of the round machine: it gives it time and events, makes its facts durable, and does what follows.

An answer that shows a state is sent only once the facts behind that state are in the journal.
"""

import asyncio
import functools
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog

from limbeck_common.config import Spec
from limbeck_common.errors import LimbeckError, MembershipError
from limbeck_common.messages import Answer, Block, Downlink, Ended, Idle, Receipt, Shapes, Teaching, Uplink, nbytes
from limbeck_common.methods.method import Method
from limbeck_common.wire.codec import block_digest
from limbeck_server import facts as fact
from limbeck_server.gate import check_form, check_metrics
from limbeck_server.gathering import Gathering, Ground, teaching_digest
from limbeck_server.journal import Journal
from limbeck_server.round import Machine, Phase, State, evolve
from limbeck_server.store import INLINE_BYTES, TEACHER, Filed, Store

_Result = TypeVar("_Result")

_TICK_SECONDS = 0.2
_log = structlog.get_logger()


class Pupil(Protocol):
    """The server's own model, wherever it lives."""

    async def learn(self, number: int, teaching: Mapping[str, Block]) -> dict[str, float]:
        """Learn from what round `number` taught, by group, and return the model's figures."""

    async def refine(self, teaching: Teaching, uplinks: Iterator[tuple[str, Block]]) -> Teaching:
        """Return the teaching as the method's `refine` betters it."""


class Presence:
    """Which clients have been heard of within the grace. An open pull is a sign of life all the while."""

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._pulling: dict[str, int] = {}

    def saw(self, client: str, pulls: int = 0) -> None:
        """Note a sign of life; `pulls` is +1 where a pull opens and -1 where it ends."""
        self._seen[client] = self._clock()
        self._pulling[client] = self._pulling.get(client, 0) + pulls

    def silence(self, client: str) -> float:
        """Return the seconds since the last sign of life."""
        return 0.0 if self._pulling.get(client) else self._clock() - self._seen.get(client, float("-inf"))

    def present(self) -> frozenset[str]:
        """Return who counts as present."""
        return frozenset(client for client in self._seen if self.silence(client) <= self._grace)


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
        self.facts: list[fact.Fact] = []
        self.told: set[str] = set()  # clients that know of the end
        self._method = method
        self.store = store
        self._journal = Journal(store)
        self._pupil = pupil
        self._changed = asyncio.Event()
        self._ground = Ground(spec, models or {}, self._find)
        self._gathering: Gathering | None = None  # none between rounds and in the closing one
        self._taught: tuple[int, Mapping[str, Block]] = (0, {})  # the last round's teaching
        self._counting: set[asyncio.Future[None]] = set()  # tally additions under way
        self._thread = ThreadPoolExecutor(1, "counting")  # one: two additions at a time would race
        self._lessons: asyncio.Queue[tuple[int, Mapping[str, Block], Gathering | None] | None] = asyncio.Queue()

    def recover(self, federation_id: str) -> None:
        """Go on from the journal, or found the federation `federation_id` where there is none."""
        for each in self.store.facts():
            self.facts.append(each)
            self.state = evolve(self.state, each)
        if not self.facts:
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
        for past in range(1, number + 1):
            blocks = self.store.teachings(past)
            if blocks:
                self._taught = (past, blocks)
                self._lessons.put_nowait((past, blocks, None))
        self._decide(self.machine.restart(self.state, time.time()))
        _log.info("recovered", phase=self.state.phase, round=number, uplinks=len(self.state.delivered))

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
                        await self._wait_for_change(_TICK_SECONDS)
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
                await self._wait_for_change(left)
                answer = self._answer(client, after, learned)
            await self._journal.append([])
            if isinstance(answer, Ended):
                self.told.add(client)
                self._notify()
            return answer
        finally:
            self.presence.saw(client, -1)

    async def push(self, client: str, uplink: Uplink) -> Receipt:
        """Judge an uplink, and return its receipt once it is durable.

        Raises:
            RefusalError: it is not what was asked for; nothing of it is kept.
        """
        check_metrics(uplink)
        block = uplink.contribution
        kept = fact.Kept(
            at=time.time(),
            round=uplink.round,
            client=client,
            digest=uplink.digest.hex(),
            figures=dict(uplink.metrics),
        )
        receipt, facts = self.machine.deliver(self.state, kept)
        self.presence.saw(client)
        gathering, received = self._gathering, None
        if receipt is Receipt.ACCEPTED:
            if gathering is None:
                check_form(block, None, self.spec)
            else:
                received, group = await self._beside(block, gathering.check, block)
                kept = replace(kept, group=group)
            receipt, facts = self.machine.deliver(self.state, kept)  # a large block's check took its time
        if receipt is Receipt.ACCEPTED and received is not None and gathering is not None:
            gathering.admit(received, kept.group)
            counting = asyncio.ensure_future(self._beside(block, gathering.add, received, kept.group))
            self._counting.add(counting)
            counting.add_done_callback(self._counting.discard)
        filed = [] if block is None or not facts else [Filed(uplink.round, client, block)]
        await self._decide(facts, filed)
        _log.info("uplink", client=client, round=uplink.round, receipt=receipt)
        return receipt

    async def watch(self, after: int) -> AsyncIterator[tuple[int, fact.Fact]]:
        """Yield numbered facts, past ones first, until the federation has ended and all is told."""
        number = after
        while True:
            await self._journal.append([])
            while number < len(self.facts):
                number += 1
                yield number, self.facts[number - 1]
            if self._journal.closed:
                return
            await self._wait_for_change(_TICK_SECONDS)

    def operate(self, facts: list[fact.Fact]) -> asyncio.Future[None]:
        """Apply what an operator has had the machine decide."""
        return self._decide(facts)

    async def until_told(self) -> None:
        """Wait until every present client knows of the end."""
        while self.presence.present() - self.told:
            await self._wait_for_change(_TICK_SECONDS)

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
        if client not in state.members or client in state.evicted:
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join again")
        asked = client in state.participants and client not in state.delivered
        if state.phase is Phase.COLLECTING and state.round > after and asked:
            group = state.groups.get(client, "")
            return Downlink(
                federation_id=state.federation_id,
                round=state.round,
                teaching=self._method.brief(self._ground, state.round, group, learned),
                wanted=None if self._gathering is None else self._gathering.task.wanted,
                deadline_seconds=max(0.0, state.deadline - time.time()),
                closing=state.closing,
            )
        return Idle(state.phase, state.round)

    def _decide(self, facts: list[fact.Fact], filed: list[Filed] | None = None) -> asyncio.Future[None]:
        """Apply facts at once, so that the next decision sees them; the future is done when they are durable."""
        for each in facts:
            self.state = evolve(self.state, each)
            self.facts.append(each)
            _log.debug("fact", **{"what": each.kind} | {k: v for k, v in vars(each).items() if k != "at"})
            if isinstance(each, fact.Opened):
                self._plan()
        self._notify()
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
            teaching = await self._pupil.refine(teaching, gathering.stored())
        digests = {group: block_digest(block).hex() for group, block in sorted(teaching.blocks.items())}
        named = teaching_digest(digests)
        lesson = fact.Taught(at=time.time(), round=number, digest=named, digests=digests, groups=dict(teaching.groups))
        facts = self.machine.taught(self.state, lesson)
        if not facts:
            return
        self._gathering = None
        self._taught = (number, teaching.blocks)
        self._lessons.put_nowait((number, teaching.blocks, gathering))
        filed = [Filed(number, TEACHER + group, block) for group, block in teaching.blocks.items()]
        self._decide([*facts, *self._drop(number)], filed)
        _log.info("taught", round=number, seconds=round(time.monotonic() - began, 4))

    def _drop(self, number: int) -> list[fact.Fact]:
        """Return what deletes the uplinks that have been kept for long enough, now that `number` is taught."""
        last = number - self.store.keep_rounds
        return [fact.Dropped(at=time.time(), round=last)] if 1 <= last < number else []

    async def _teach_pupil(self) -> None:
        """Give the server's model its lessons in order, beside the rounds."""
        while (lesson := await self._lessons.get()) is not None:
            number, blocks, gathering = lesson
            if gathering is not None:
                await self._judge(gathering)
            if self._pupil is None:
                continue
            try:
                figures = await self._pupil.learn(number, blocks)
            except LimbeckError as error:  # the federation needs no model here: it goes on without one
                _log.error("the server's own model failed", round=number, error=str(error))
                self._pupil = None
                continue
            _log.info("evaluated", round=number, **figures)
            if not any(isinstance(each, fact.Evaluated) and each.round == number for each in self.facts):
                self._decide([fact.Evaluated(at=time.time(), round=number, figures=figures)])

    async def _judge(self, gathering: Gathering) -> None:
        """Say how far each client was from all of them; nothing where its uplinks have been dropped meanwhile."""
        found = await asyncio.to_thread(gathering.disagreement)
        if found and len(found) == gathering.clients:
            self._decide([fact.Judged(at=time.time(), round=gathering.number, disagreement=found)])

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait until something has been decided, `seconds` at most."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return
