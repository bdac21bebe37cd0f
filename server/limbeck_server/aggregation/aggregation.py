"""The open round's aggregation: uplinks are added up as they come, and the sums become the round's aggregate.

Work on large blocks, and everything that reads the store, runs beside the event loop. Additions never run two at a
time, because they would race: a small one is made at once only while no large one is under way.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from limbeck_common.core.blocks import Parts, Shapes
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Method
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.method_errors import blaming
from limbeck_server.aggregation.open_round import History
from limbeck_server.storage.protocols import INLINE_BYTES, BlockStore

_Result = TypeVar("_Result")
_FLOAT_BYTES = 4


class AdditionError(LimbeckError):
    """An acknowledged uplink could not be added to the round's sums."""


class Aggregation:
    """Holds the open round's aggregator, and the last round's aggregate."""

    def __init__(self, spec: Spec, method: Method, architectures: Mapping[str, Shapes], store: BlockStore) -> None:
        self.spec = spec
        self.method = method
        self.history = History(spec, architectures, self._find)
        self.failure: AdditionError | None = None
        self._store = store
        self._opening: asyncio.Future[RoundAggregator] | None = None  # None between rounds and in the closing one
        self._last: tuple[int, Mapping[str, Parts]] = (0, {})
        self._additions: list[asyncio.Future[None]] = []  # of the open round, each kept until its result is known
        self._large = 0  # additions on the thread, waiting ones included
        self._thread = ThreadPoolExecutor(1, "additions")

    def open(self, number: int) -> None:
        """Begin round `number`: the method plans it beside the event loop, because it may read earlier aggregates."""
        self._additions = []
        self._opening = asyncio.create_task(asyncio.to_thread(self._plan, number))

    def reopen(self, number: int) -> None:
        """Begin round `number` again after a restart, with its stored uplinks added up. Reads the store.

        Raises:
            DataError: a stored uplink is damaged.
            RefusalError: a stored uplink is not what the round asks for.
        """
        aggregator = self._plan(number)
        aggregator.refill()
        self._opening = asyncio.get_running_loop().create_future()
        self._opening.set_result(aggregator)

    def close(self) -> None:
        """Forget the open round."""
        self._opening = None

    async def current(self) -> RoundAggregator | None:
        """Return the open round's aggregator once it is planned; None where no round asks for uplinks.

        Raises:
            UserCodeError: the method raised.
        """
        if self._opening is None:
            return None
        return self._opening.result() if self._opening.done() else await asyncio.shield(self._opening)

    async def check(self, aggregator: RoundAggregator, parts: Parts) -> tuple[Parts, str]:
        """Return parts as they will be added up, and their architecture: at once where small. Raises RefusalError."""
        return await self._offload(parts, aggregator.check, parts)

    def add(self, client: str, parts: Parts, architecture: str, changed: Callable[[], None]) -> None:
        """Start adding parts to the open round's sums; `changed` is called where that fails, and `failure` is set."""
        if self._opening is None:
            raise RuntimeError("no round is open")
        aggregator = self._opening.result()

        def lost(error: BaseException) -> None:
            said = f"{type(error).__name__}: {error}"
            self.failure = AdditionError(f"round {aggregator.number}: the uplink of {client} was not added: {said}")
            changed()

        if not self._large and not _is_large(parts):
            try:
                aggregator.add(parts, architecture)
            except Exception as error:  # noqa: BLE001 - whatever it is, the sums lack an uplink
                lost(error)
            return
        addition = asyncio.ensure_future(self._add(aggregator, parts, architecture))
        self._additions.append(addition)

        def settle(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                lost(error)

        addition.add_done_callback(settle)

    async def aggregate(self) -> tuple[RoundAggregator, Aggregate]:
        """Return the closed round's aggregator and aggregate, before a model has refined it.

        Raises:
            AdditionError: an acknowledged uplink is missing from the sums.
            UserCodeError: the method raised.
        """
        aggregator = await self.current()
        if aggregator is None:
            raise RuntimeError("no round is open")
        await asyncio.gather(*self._additions, return_exceptions=True)
        if self.failure is not None:
            raise self.failure
        with blaming(self.method, "server_aggregate"):
            return aggregator, await asyncio.to_thread(aggregator.aggregate)

    def keep(self, number: int, aggregates: Mapping[str, Parts]) -> None:
        """Keep the last round's aggregates by audience: the method reads them before they are in the store."""
        self._last = (number, aggregates)

    def _plan(self, number: int) -> RoundAggregator:
        with blaming(self.method, "server_plan"):
            return RoundAggregator(
                self.method, self.history, number, lambda: self._store.uplinks(number), self._store.collect
            )

    def _find(self, number: int, audience: str) -> Parts | None:
        """Return what a round made for an audience. The last round's aggregates may not be in the store yet."""
        last, blocks = self._last
        return blocks.get(audience) if number == last else self._store.aggregate(number, audience)

    async def _add(self, aggregator: RoundAggregator, parts: Parts, architecture: str) -> None:
        self._large += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, aggregator.add, parts, architecture)
        finally:
            self._large -= 1

    async def _offload(self, parts: Parts, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do work on parts: here where they are small, on the thread where it would hold up the event loop."""
        if not _is_large(parts):
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _is_large(parts: Parts) -> bool:
    """Say whether parts take more than a megabyte as they are added up: encoded rows count decoded."""
    shapes = (tensor.shape for block in parts.values() for tensor in block.values)
    return _FLOAT_BYTES * sum(map(math.prod, shapes)) > INLINE_BYTES
