"""Who is here, and whom the open round still waits for: kept up to date client by client, so that asking costs nothing.

The round machine asks at every uplink. Sets that were made anew each time would cost as much as there are clients.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from limbeck_server.round.state import FederationState


@dataclass
class Attendance:
    """The active members that are present, and those of them that may still answer the open round.

    >>> from limbeck_server.round.state import FederationState
    >>> from rpds import HashTrieSet
    >>> state = FederationState(members=HashTrieSet("ab"), missing=HashTrieSet("b"))
    >>> attendance = Attendance.of(state, {"a", "b", "stranger"})
    >>> sorted(attendance.present), sorted(attendance.awaited)
    (['a', 'b'], ['b'])
    """

    present: set[str] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, state: FederationState, present: AbstractSet[str]) -> "Attendance":
        """Return the attendance where `present` clients are there, members or not."""
        return cls(
            {client for client in present if state.admits(client)},
            {client for client in state.missing if client in present},
        )

    def update(self, state: FederationState, client: str, *, present: bool) -> None:
        """Take up what has changed for one client."""
        _keep(self.present, client, there=present and state.admits(client))
        _keep(self.awaited, client, there=present and client in state.missing)


def _keep(clients: set[str], client: str, *, there: bool) -> None:
    clients.add(client) if there else clients.discard(client)
