"""The pulls that wait for the next round, woken a slice at a time: thousands at once would hold up the uplinks."""

import asyncio
import contextlib

_SLICE = 200  # woken in one turn of the event loop


class OpenPulls:
    """Waits for the next turn of events. `turn` counts them, so that one that comes before the wait is not missed.

    >>> async def first_turn() -> int:
    ...     waiting = OpenPulls()
    ...     pull = asyncio.create_task(waiting.wait(waiting.turn, seconds=10))
    ...     await asyncio.sleep(0)
    ...     waiting.wake()
    ...     await pull
    ...     return waiting.turn
    >>> asyncio.run(first_turn())
    1
    """

    def __init__(self) -> None:
        self.turn = 0
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def wait(self, after: int, seconds: float) -> None:
        """Wait until there has been a turn after turn `after`, for at most `seconds`."""
        if self.turn != after:
            return
        woken = asyncio.get_running_loop().create_future()
        self._waiting[woken] = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken
        finally:
            self._waiting.pop(woken, None)

    def wake(self) -> None:
        """Count a turn, and wake all that wait."""
        self.turn += 1
        waiting, self._waiting = list(self._waiting), {}
        self._wake(waiting)

    def _wake(self, waiting: list[asyncio.Future[None]]) -> None:
        for woken in waiting[:_SLICE]:
            if not woken.done():
                woken.set_result(None)
        if len(waiting) > _SLICE:
            asyncio.get_running_loop().call_soon(self._wake, waiting[_SLICE:])
