"""Trains the server's own model on each round's aggregate, in order and beside the rounds."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import LimbeckError, UserCodeError
from limbeck_common.core.messages import Aggregate
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.events import DisagreementMeasured, Evaluated, Fact
from limbeck_server.storage.protocols import BlockStore

_log = structlog.get_logger()


class ServerModel(Protocol):
    """The server's own model, wherever it lives."""

    async def learn(self, number: int, aggregates: Mapping[str, Parts]) -> dict[str, float]:
        """Learn from round `number`'s aggregates, by audience, and return the model's metrics."""

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Parts]]) -> Aggregate:
        """Return round `number`'s aggregate as the method's `server_refine` betters it."""


class ServerModelTrainer:
    """Works through the aggregated rounds: measures how far clients are apart, then trains the model.

    `decide` takes the facts that follow, and `clock` says when. With `refines` the method cannot go on without the
    model; otherwise a model that fails is left out, and the federation goes on.
    """

    def __init__(
        self,
        model: ServerModel | None,
        store: BlockStore,
        decide: Callable[[Sequence[Fact]], asyncio.Future[None]],
        clock: Callable[[], float],
        *,
        refines: bool,
    ) -> None:
        self.model = model
        self.evaluated = 0  # the last round after which the model was measured, as the journal has it
        self._store = store
        self._decide = decide
        self._clock = clock
        self._refines = refines
        self._rounds: asyncio.Queue[tuple[int, RoundAggregator | None] | None] = asyncio.Queue()
        self._idle = asyncio.Event()  # set while no round is left to learn
        self._idle.set()

    def put(self, number: int, aggregator: RoundAggregator | None = None) -> None:
        """Queue round `number`; its aggregator is absent after a restart, when only the model learns it again."""
        self._idle.clear()
        self._rounds.put_nowait((number, aggregator))

    def finish(self) -> None:
        """Let `run` return after the last queued round."""
        self._rounds.put_nowait(None)

    async def refine(self, aggregator: RoundAggregator, aggregate: Aggregate) -> Aggregate:
        """Return the aggregate as the model betters it, once it has learned every earlier round.

        Where the method does not refine, nothing is waited for: the model is trained beside the rounds.
        """
        if not self._refines:
            return aggregate
        await self._idle.wait()
        if self.model is None:
            return aggregate
        return await self.model.refine(aggregator.number, aggregate, aggregator.round.uplinks())

    async def run(self) -> None:
        """Work through the queue.

        Raises:
            LimbeckError: the model failed, and the method cannot go on without it.
        """
        try:
            while (queued := await self._rounds.get()) is not None:
                number, aggregator = queued
                await self._decide([])  # what the round decided is in the store from here on
                if aggregator is not None:
                    await self._measure(aggregator)
                if self.model is not None:
                    await self._train(self.model, number)
                if self._rounds.empty():
                    self._idle.set()
        except BaseException:
            self.model = None  # `refine` must not wait for rounds that will not be learned
            self._idle.set()
            raise

    async def _measure(self, aggregator: RoundAggregator) -> None:
        """Record each client's disagreement; nothing where some of the round's uplinks were deleted meanwhile.

        It is a figure for the operator: a method whose code fails over it does not end the federation.
        """
        try:
            found = await asyncio.to_thread(aggregator.disagreement)
        except UserCodeError as error:
            _log.error("the clients' disagreement is not known", round=aggregator.number, error=str(error))
            return
        if found and len(found) == aggregator.clients:
            self._decide([DisagreementMeasured(at=self._clock(), round=aggregator.number, metrics=found)])

    async def _train(self, model: ServerModel, number: int) -> None:
        try:
            metrics = await model.learn(number, await asyncio.to_thread(self._store.aggregates, number))
        except LimbeckError as error:
            if self._refines:
                raise
            _log.error("the federation goes on without the server's own model", round=number, error=str(error))
            self.model = None
            return
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}  # a model may diverge
        _log.info("evaluated", round=number, **metrics)
        if number > self.evaluated:
            self._decide([Evaluated(at=self._clock(), round=number, metrics=metrics)])
