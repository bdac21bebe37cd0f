"""Which clients are there."""

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet


class Presence:
    """Which clients have been heard of within the grace. An open pull is a sign of life all the while.

    A question costs what has changed since the last one, not what there is: it is asked at every event.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._pulling: Counter[str] = Counter()
        self._idle: dict[str, float] = {}  # those present without a pull, the longest silent first
        self._present: set[str] = set()
        self.returns: Counter[str] = Counter()  # how often each came back after it had counted as gone

    def saw(self, client: str, pulls: int = 0) -> None:
        """Note a sign of life; `pulls` is +1 where a pull opens and -1 where it ends."""
        now = self._clock()
        if client in self._seen and client not in self.present():
            self.returns[client] += 1
        self._seen[client] = now
        self._pulling[client] += pulls
        self._idle.pop(client, None)
        if not self._pulling[client]:
            self._idle[client] = now
        self._present.add(client)

    def silence(self, client: str) -> float:
        """Return the seconds since the last sign of life."""
        return 0.0 if self._pulling[client] else self._clock() - self._seen.get(client, float("-inf"))

    def present(self) -> AbstractSet[str]:
        """Return who counts as present, as of now."""
        now = self._clock()
        while self._idle:
            client, seen = next(iter(self._idle.items()))
            if now - seen <= self._grace:
                break
            del self._idle[client]
            self._present.remove(client)
        return self._present
