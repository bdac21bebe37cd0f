"""What has happened in a federation, as far as it matters for what comes next.

`evolve` is the only way to change a state: a state and a fact give the next state. So replaying the journal's facts
through it is how a restarted daemon knows where it was.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from limbeck_server.events import (
    Aggregated,
    ClientJoined,
    Closed,
    Declined,
    DisagreementMeasured,
    Evaluated,
    Evicted,
    Extended,
    Fact,
    FederationEnded,
    Founded,
    Opened,
    Paused,
    Restarted,
    Restored,
    Resumed,
    Revoked,
    UplinkAccepted,
    UplinkLate,
    UplinksDeleted,
)


class FederationPhase(StrEnum):
    """The phase that a federation is in."""

    LOBBY = "lobby"
    COLLECTING = "collecting"
    AGGREGATING = "aggregating"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in {FederationPhase.FINISHED, FederationPhase.FAILED, FederationPhase.STOPPED}


@dataclass(frozen=True)
class FederationState:
    """A federation as its facts have made it."""

    federation_id: str = ""
    phase: FederationPhase = FederationPhase.LOBBY
    since: float = 0.0  # when the phase began, moved by pauses
    round: int = 0
    closing: bool = False
    deadline: float = 0.0
    seconds: float = 0.0  # that the round was given, when it opened or was last extended
    extensions: int = 0
    members: frozenset[str] = frozenset()
    evicted: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()  # until they join again
    participants: frozenset[str] = frozenset()
    delivered: frozenset[str] = frozenset()  # of this round
    declined: frozenset[str] = frozenset()  # of this round
    epoch: int = 1  # how often the store was restored, plus 1
    last: dict[str, tuple[int, str]] = field(default_factory=dict)  # each client's last accepted round and digest
    groups: dict[str, str] = field(default_factory=dict)  # of clients that a method has put into one
    architectures: dict[str, str] = field(default_factory=dict)  # of clients whose uplinks hold parameters
    late: dict[str, int] = field(default_factory=dict)  # each client's last round whose uplink came late
    paused_at: float | None = None
    reason: str = ""

    @property
    def active(self) -> frozenset[str]:
        """The members that may take part."""
        return self.members - self.evicted - self.revoked

    def admits(self, client: str) -> bool:
        """Say whether a client is one of the active ones."""
        return client in self.members and client not in self.evicted and client not in self.revoked

    @property
    def missing(self) -> frozenset[str]:
        """The participants of this round that may still answer."""
        return (self.participants - self.delivered - self.declined) & self.active


def evolve(state: FederationState, fact: Fact) -> FederationState:  # noqa: C901, PLR0911, PLR0912 - a case per fact
    """Return the state after a fact."""
    match fact:
        case Founded():
            return replace(state, federation_id=fact.federation_id, since=fact.at)
        case ClientJoined():
            return replace(state, members=state.members | {fact.client}, revoked=state.revoked - {fact.client})
        case Opened():
            return replace(
                state,
                phase=FederationPhase.COLLECTING,
                since=fact.at,
                round=fact.round,
                closing=fact.closing,
                deadline=fact.at + fact.seconds,
                seconds=fact.seconds,
                extensions=0,
                participants=frozenset(fact.participants),
                delivered=frozenset(),
                declined=frozenset(),
            )
        case UplinkAccepted():
            last = state.last | {fact.client: (fact.round, fact.digest)}
            known = state.architectures
            if fact.architecture is not None:
                known = known | {fact.client: fact.architecture}
            return replace(state, delivered=state.delivered | {fact.client}, last=last, architectures=known)
        case UplinkLate():
            return replace(state, late=state.late | {fact.client: fact.round})
        case Extended():
            later = fact.at + fact.seconds
            return replace(state, deadline=later, seconds=fact.seconds, extensions=state.extensions + 1)
        case Closed():
            return replace(state, phase=FederationPhase.AGGREGATING, since=fact.at)
        case Aggregated():
            return replace(state, phase=FederationPhase.LOBBY, since=fact.at, groups=state.groups | fact.moves)
        case Paused():
            return replace(state, paused_at=fact.at)
        case Resumed():
            paused_at = fact.at if state.paused_at is None else state.paused_at
            lost = fact.at - max(paused_at, state.since)  # in this phase, which may have begun during the pause
            return replace(state, paused_at=None, since=state.since + lost, deadline=state.deadline + lost)
        case Restarted() if state.paused_at is None:
            return replace(state, since=fact.at, deadline=fact.at + state.seconds)
        case Restarted():  # paused, it gets its time back when it resumes, by the clock that the new daemon reads
            shift = fact.at - max(state.paused_at or 0.0, state.since)
            return replace(state, paused_at=fact.at, since=state.since + shift, deadline=state.deadline + shift)
        case Declined():
            return replace(state, declined=state.declined | {fact.client})
        case Restored():
            return replace(state, epoch=fact.epoch)
        case Evicted():
            return replace(state, evicted=state.evicted | {fact.client})
        case Revoked():
            return replace(state, revoked=state.revoked | {fact.client})
        case FederationEnded():
            return replace(state, phase=FederationPhase(fact.state), since=fact.at, reason=fact.reason, paused_at=None)
        case Evaluated() | DisagreementMeasured() | UplinksDeleted():
            return state
        case _:
            raise TypeError(f"unknown fact: {fact}")
