"""The round machine: pure decisions about one federation.

    lobby -> collecting -> aggregating -> lobby -> ... -> finished
    any of them -> failed | stopped

`Machine` decides: a state and something that happened give facts. `evolve` remembers: a state and a fact give the next
state. Nothing else changes a state, so replaying the journal's facts through `evolve` is how a restarted daemon knows
where it was. Time comes in as `at`, and who is present as a set; nothing here waits, sends or stores.

The lobby stands before every round. It opens the first one by the lobby's rules, and each later one as soon as enough
members are present for its quorum, which they are unless clients have gone away. After the last round comes a closing
one, in which clients learn from the last aggregate; it has no quorum.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum

from limbeck_common.core.errors import ConflictError, MembershipError, RoundError
from limbeck_common.core.messages import Receipt
from limbeck_common.core.seeds import choose, derive
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
    """Where a federation stands."""

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
    """All that matters of what has happened."""

    federation_id: str = ""
    phase: FederationPhase = FederationPhase.LOBBY
    since: float = 0.0  # when the phase began, moved by pauses
    round: int = 0
    closing: bool = False
    deadline: float = 0.0
    extensions: int = 0
    members: frozenset[str] = frozenset()
    evicted: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()  # until they join again
    participants: frozenset[str] = frozenset()
    delivered: frozenset[str] = frozenset()  # of this round
    declined: frozenset[str] = frozenset()  # of this round
    epoch: int = 1  # how often the store was restored, plus 1
    last: dict[str, tuple[int, str]] = field(default_factory=dict)  # each client's last accepted (round, digest)
    groups: dict[str, str] = field(default_factory=dict)  # of clients that are taught in one
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
        """Who was asked in this round, may answer, and has not."""
        return (self.participants - self.delivered - self.declined) & self.active


@dataclass(frozen=True)
class Bounds:
    """From `count_min` to `count_max` clients within `time_min` to `time_max` seconds."""

    count_min: int
    count_max: int
    time_min: float
    time_max: float


@dataclass(frozen=True)
class Machine:
    """The federation's rules, and the decisions that they make."""

    rounds: int
    seed: int
    lobby: Bounds
    round: Bounds
    sample_ratio: float = 1.0
    extensions: int = 1

    def join(self, state: FederationState, client: str, at: float) -> list[Fact]:
        """A client with the right open data asks to be a member."""
        if client in state.evicted:
            raise MembershipError(f"{client} was evicted", remedy="ask the operator")
        return [] if state.admits(client) or state.phase.ended else [ClientJoined(at=at, client=client)]

    def deliver(self, state: FederationState, uplink: UplinkAccepted) -> tuple[Receipt, list[Fact]]:
        """A client pushes an uplink.

        Raises:
            MembershipError: it is no member, was evicted, or was not asked in this round.
            RoundError: the round has not opened.
            ConflictError: other content was accepted from it for this round.
        """
        client, number, digest = uplink.client, uplink.round, uplink.digest
        if not state.admits(client):
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join first")
        if not 1 <= number <= state.round:
            raise RoundError(f"an uplink for round {number}", expected=f"round {state.round}", remedy="pull first")
        if state.last.get(client, (0, ""))[0] == number:
            if state.last[client][1] == digest:
                return Receipt.DUPLICATE, []
            raise ConflictError(
                f"another uplink of {client} for round {number}",
                expected=f"the one accepted before, {state.last[client][1][:12]}",
                remedy="run one client under a name, not two",
            )
        closed = number < state.round or state.phase is not FederationPhase.COLLECTING
        if not closed and client not in state.participants:
            raise MembershipError(f"{client} does not take part in round {number}", remedy="pull and wait for a round")
        if closed or len(state.delivered) >= self.round.count_max:
            said = state.phase.ended or state.late.get(client, 0) >= number
            return Receipt.LATE, [] if said else [UplinkLate(at=uplink.at, round=number, client=client)]
        return Receipt.ACCEPTED, [uplink]

    def decline(self, state: FederationState, client: str, number: int, at: float) -> list[Fact]:
        """A client will not answer the open round `number`. Says nothing of any other round."""
        asked = state.phase is FederationPhase.COLLECTING and number == state.round and client in state.missing
        return [Declined(at=at, round=number, client=client)] if asked else []

    def close(self, state: FederationState, at: float) -> list[Fact]:
        """An operator closes the open round, with what has come.

        Raises:
            RoundError: none is open, or it has fewer uplinks than the quorum.
        """
        if state.phase is not FederationPhase.COLLECTING or state.paused_at is not None:
            raise RoundError("no round is open", expected="a round that takes uplinks")
        counted, quorum = len(state.delivered), self.quorum(state)
        if counted < quorum:
            raise RoundError(
                f"round {state.round} has {counted} uplinks",
                expected=f"at least {quorum}, its quorum",
                remedy="wait, or evict the clients that will not answer",
            )
        return self._closed(state, at)

    def aggregated(self, state: FederationState, aggregate: Aggregated) -> list[Fact]:
        """The round's aggregate has been stored."""
        return (
            [aggregate] if state.phase is FederationPhase.AGGREGATING else []
        )  # an operator may have ended it meanwhile

    def tick(self, state: FederationState, present: AbstractSet[str], at: float) -> list[Fact]:
        """Time has passed, or something has happened: what follows from it? `present` are the clients heard of."""
        if state.paused_at is not None:
            return []
        if state.phase is FederationPhase.LOBBY:
            return self._tick_lobby(state, present & state.active, at)
        if state.phase is FederationPhase.COLLECTING:
            return self._tick_collecting(state, present, at)
        return []

    def pause(self, state: FederationState, at: float) -> list[Fact]:
        """Hold the federation: no round opens, none closes. Uplinks are still taken."""
        return [] if state.phase.ended or state.paused_at is not None else [Paused(at=at)]

    def resume(self, state: FederationState, at: float) -> list[Fact]:
        """Let it go on; deadlines move by the time paused."""
        return [] if state.paused_at is None else [Resumed(at=at)]

    def restart(self, state: FederationState, at: float) -> list[Fact]:
        """The daemon was away: what it waited for has its whole time again."""
        return [] if state.phase.ended else [Restarted(at=at)]

    def stop(self, state: FederationState, reason: str, at: float) -> list[Fact]:
        """End it now."""
        return [] if state.phase.ended else [FederationEnded(at=at, state=FederationPhase.STOPPED, reason=reason)]

    def fail(self, state: FederationState, reason: str, at: float) -> list[Fact]:
        """End it, as something went wrong."""
        return [] if state.phase.ended else [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def evict(self, state: FederationState, client: str, at: float) -> list[Fact]:
        """Take a client out for good. What it has delivered stays counted."""
        return [] if client in state.evicted or state.phase.ended else [Evicted(at=at, client=client)]

    def revoke(self, state: FederationState, client: str, at: float) -> list[Fact]:
        """Its certificate was revoked: it is not waited for. What it has delivered stays counted."""
        return [] if not state.admits(client) or state.phase.ended else [Revoked(at=at, client=client)]

    def needed(self, state: FederationState) -> int:
        """Return how many clients must be present for the next round to open."""
        if state.round == self.rounds:  # the closing round
            return 1
        first = min(self.lobby.count_min, self.lobby.count_max) if state.round == 0 else 0
        return max(self.round.count_min, first)

    def quorum(self, state: FederationState) -> int:
        """Return how many uplinks the round that is open must have."""
        return 0 if state.closing else self.round.count_min

    def _tick_lobby(self, state: FederationState, present: AbstractSet[str], at: float) -> list[Fact]:
        waited = at - state.since
        needed = self.needed(state)
        ready = state.round > 0 or waited >= self.lobby.time_min or len(present) >= self.lobby.count_max
        if ready and len(present) >= needed:
            return [self._open(state, present, at)]
        if waited < self.lobby.time_max:
            return []
        if state.round == self.rounds:
            return [
                FederationEnded(
                    at=at, state=FederationPhase.FINISHED, reason=f"all {self.rounds} rounds done; no client came back"
                )
            ]
        reason = f"{len(present)} of at least {needed} clients present after {waited:.0f} s in the lobby"
        return [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def _open(self, state: FederationState, present: AbstractSet[str], at: float) -> Opened:
        number = state.round + 1
        closing = number > self.rounds
        count = len(present) if closing else max(round(self.sample_ratio * len(present)), self.round.count_min)
        chosen = choose(derive(self.seed, "participants", number), sorted(present), count)
        deadline = at + self.round.time_max
        return Opened(at=at, round=number, participants=tuple(chosen), deadline=deadline, closing=closing)

    def _tick_collecting(self, state: FederationState, present: AbstractSet[str], at: float) -> list[Fact]:
        quorum = self.quorum(state)
        missing = state.missing
        counted = len(state.delivered)
        # Nobody is waited for who is gone; but while quorum lacks, whoever is missing may come back until the deadline.
        complete = counted >= self.round.count_max or not missing & present
        if counted >= quorum and (at >= state.deadline or (complete and at - state.since >= self.round.time_min)):
            return self._closed(state, at)
        if at < state.deadline:
            return []
        if state.extensions < self.extensions:
            return [Extended(at=at, deadline=at + self.round.time_max)]
        reason = f"round {state.round}: {counted} of at least {quorum} uplinks at the deadline"
        if missing:
            reason += f"; missing {', '.join(sorted(missing))}"
        return [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def _closed(self, state: FederationState, at: float) -> list[Fact]:
        closed: list[Fact] = [Closed(at=at, round=state.round)]
        done = FederationEnded(at=at, state=FederationPhase.FINISHED, reason=f"all {self.rounds} rounds done")
        return [*closed, done] if state.closing else closed


def evolve(state: FederationState, fact: Fact) -> FederationState:  # noqa: C901, PLR0911, PLR0912 - one case a fact
    """Return the state after `fact`."""
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
                deadline=fact.deadline,
                extensions=0,
                participants=frozenset(fact.participants),
                delivered=frozenset(),
                declined=frozenset(),
            )
        case UplinkAccepted():
            last = state.last | {fact.client: (fact.round, fact.digest)}
            groups = state.groups if fact.group is None else state.groups | {fact.client: fact.group}
            return replace(state, delivered=state.delivered | {fact.client}, last=last, groups=groups)
        case UplinkLate():
            return replace(state, late=state.late | {fact.client: fact.round})
        case Extended():
            return replace(state, deadline=fact.deadline, extensions=state.extensions + 1)
        case Closed():
            return replace(state, phase=FederationPhase.AGGREGATING, since=fact.at)
        case Aggregated():
            return replace(state, phase=FederationPhase.LOBBY, since=fact.at, groups=state.groups | fact.groups)
        case Paused():
            return replace(state, paused_at=fact.at)
        case Resumed():
            paused_at = fact.at if state.paused_at is None else state.paused_at
            lost = fact.at - max(paused_at, state.since)  # of this phase, which may have begun meanwhile
            return replace(state, paused_at=None, since=state.since + lost, deadline=state.deadline + lost)
        case Restarted() if state.paused_at is None:
            return replace(state, since=fact.at, deadline=fact.at + (state.deadline - state.since))
        case Restarted():  # a paused federation gets its time back when it is resumed
            return state
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
            raise TypeError(f"no such fact: {fact}")
