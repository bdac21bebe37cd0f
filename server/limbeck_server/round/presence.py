"""Which clients are present."""

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet


class Presence:
    """The clients that were heard from within the grace. An open pull counts as a sign of life as long as it is open.

    Asking costs time by what has changed since the last question, not by the number of clients: it is asked at every
    event. `changed` is called with each client that has come or gone.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self.changed: Callable[[str], None] = lambda _client: None
        self._seen: dict[str, float] = {}
        self._pulling: Counter[str] = Counter()
        self._idle: dict[str, float] = {}  # present clients without an open pull, the longest silent first
        self._present: set[str] = set()
        self.returns: Counter[str] = Counter()  # how often each client came back after it had counted as away

    def saw(self, client: str, pulls: int = 0) -> None:
        """Record a sign of life; `pulls` is +1 where a pull opens and -1 where it ends."""
        now = self._clock()
        came = client not in self.present()
        if came and client in self._seen:
            self.returns[client] += 1
        self._seen[client] = now
        self._pulling[client] += pulls
        self._idle.pop(client, None)
        if not self._pulling[client]:
            self._idle[client] = now
        if came:
            self._present.add(client)
            self.changed(client)

    def silence(self, client: str) -> float:
        """Return the seconds since a client's last sign of life."""
        return 0.0 if self._pulling[client] else self._clock() - self._seen.get(client, float("-inf"))

    def __contains__(self, client: object) -> bool:
        """Say whether a client counts as present, as of the last question."""
        return client in self._present

    def present(self) -> AbstractSet[str]:
        """Return the clients that count as present now."""
        now = self._clock()
        while self._idle:
            client, seen = next(iter(self._idle.items()))
            if now - seen <= self._grace:
                break
            del self._idle[client]
            self._present.remove(client)
            self.changed(client)
        return self._present
