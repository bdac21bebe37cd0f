"""The time that decides waits and deadlines."""

import time
from collections.abc import Callable


class SteadyClock:
    """Seconds since the Unix epoch as they were at the start, counted on by the monotonic clock.

    Setting the machine's clock changes nothing that this clock says, so it neither hangs a round that is complete nor
    fails a federation that is healthy.

    >>> wall, steady = iter([1000.0]), iter([5.0, 7.5])
    >>> SteadyClock(wall=lambda: next(wall), monotonic=lambda: next(steady))()
    1002.5
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> float:
        """Return the time."""
        return self._offset + self._monotonic()
