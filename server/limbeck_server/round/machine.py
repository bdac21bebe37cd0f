"""The round machine: pure decisions about one federation.

    lobby -> collecting -> aggregating -> lobby -> ... -> finished
    any of them -> failed | stopped

`Machine` decides: a state and something that happened give facts. `evolve` (in `state`) remembers them. Time comes in
as `at`, in seconds of a clock that never jumps, and who is present as an `Attendance`. Nothing here waits, sends or
stores.

The lobby stands before every round. It opens the first one by the lobby's rules, and each later one as soon as enough
members are present for its quorum, which they are unless clients have gone away. After the last round comes a closing
one, in which clients learn from the last aggregate; it has no quorum.
"""

from dataclasses import dataclass

from limbeck_common.core.errors import BehindError, ConflictError, MembershipError, RoundError
from limbeck_common.core.messages import Receipt
from limbeck_common.core.seeds import choose, derive
from limbeck_server.events import (
    Aggregated,
    ClientJoined,
    Closed,
    Declined,
    Evicted,
    Extended,
    Fact,
    FederationEnded,
    Opened,
    Paused,
    Restarted,
    Resumed,
    Revoked,
    UplinkAccepted,
    UplinkLate,
)
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.state import FederationPhase, FederationState


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
            MembershipError: the client is not a member, was evicted, or does not take part in this round.
            RoundError: there is no such round.
            BehindError: the round has not opened here, so the client knows more than this store.
            ConflictError: another uplink of the client was accepted for this round.
        """
        client, number, digest = uplink.client, uplink.round, uplink.digest
        if not state.admits(client):
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join first")
        if number < 1:
            raise RoundError(f"an uplink for round {number}", expected=f"round {state.round}", remedy="pull first")
        self.check_known(state, number)
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

    def check_known(self, state: FederationState, number: int) -> None:
        """Raise BehindError where a client has begun a round that this store has not opened."""
        if number > state.round:
            raise BehindError(
                f"the server is in round {state.round}, the client has begun round {number}",
                expected="a store that is as new as its clients",
                remedy="the server's operator restores the backup with `limbeck-server restore`, or the newer store",
            )

    def decline(self, state: FederationState, client: str, number: int, at: float) -> list[Fact]:
        """A client will not answer round `number`. Nothing follows unless that round is open and waits for it."""
        asked = state.phase is FederationPhase.COLLECTING and number == state.round and client in state.missing
        return [Declined(at=at, round=number, client=client)] if asked else []

    def close(self, state: FederationState, at: float) -> list[Fact]:
        """An operator closes the open round with the uplinks that have come.

        Raises:
            RoundError: none is open, the federation is paused, or the round has fewer uplinks than the quorum.
        """
        if state.phase is not FederationPhase.COLLECTING:
            raise RoundError("no round is open", expected="a round that takes uplinks")
        if state.paused_at is not None:
            raise RoundError("the federation is paused", expected="an open round", remedy="resume it first")
        counted, quorum = len(state.delivered), self.quorum(state)
        if counted < quorum:
            raise RoundError(
                f"round {state.round} has {counted} uplinks",
                expected=f"at least {quorum}, its quorum",
                remedy="wait for more, or end the federation with limbeck-server stop",
            )
        return self._closed(state, at)

    def aggregated(self, state: FederationState, aggregate: Aggregated) -> list[Fact]:
        """The round's aggregate has been stored."""
        ongoing = state.phase is FederationPhase.AGGREGATING  # an operator may have ended the federation meanwhile
        return [aggregate] if ongoing else []

    def tick(self, state: FederationState, attendance: Attendance, at: float) -> list[Fact]:
        """Return what follows from the time and from who is there."""
        if state.paused_at is not None:
            return []
        if state.phase is FederationPhase.LOBBY:
            return self._tick_lobby(state, attendance, at)
        if state.phase is FederationPhase.COLLECTING:
            return self._tick_collecting(state, attendance, at)
        return []

    def pause(self, state: FederationState, at: float) -> list[Fact]:
        """Pause the federation: no round opens and none closes. Uplinks are still accepted."""
        return [] if state.phase.ended or state.paused_at is not None else [Paused(at=at)]

    def resume(self, state: FederationState, at: float) -> list[Fact]:
        """Resume the federation; deadlines move by the time that it was paused."""
        return [] if state.paused_at is None else [Resumed(at=at)]

    def restart(self, state: FederationState, at: float) -> list[Fact]:
        """The daemon was down: whatever it waited for has its whole time again."""
        return [] if state.phase.ended else [Restarted(at=at)]

    def stop(self, state: FederationState, reason: str, at: float) -> list[Fact]:
        """End the federation now."""
        return [] if state.phase.ended else [FederationEnded(at=at, state=FederationPhase.STOPPED, reason=reason)]

    def fail(self, state: FederationState, reason: str, at: float) -> list[Fact]:
        """End the federation, because something went wrong."""
        return [] if state.phase.ended else [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def evict(self, state: FederationState, client: str, at: float) -> list[Fact]:
        """Evict a client for good. What it has delivered stays counted."""
        return [] if client in state.evicted or state.phase.ended else [Evicted(at=at, client=client)]

    def revoke(self, state: FederationState, client: str, at: float) -> list[Fact]:
        """Stop waiting for a client whose certificate was revoked. What it has delivered stays counted."""
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

    def _tick_lobby(self, state: FederationState, attendance: Attendance, at: float) -> list[Fact]:
        present = attendance.present
        waited = at - state.since
        needed = self.needed(state)
        ready = state.round > 0 or waited >= self.lobby.time_min or len(present) >= self.lobby.count_max
        if ready and len(present) >= needed:
            return [self._open(state, present, at)]
        if waited < self.lobby.time_max:
            return []
        if state.round == self.rounds:
            done = f"all {self.rounds} rounds done; no client came back"
            return [FederationEnded(at=at, state=FederationPhase.FINISHED, reason=done)]
        reason = f"{len(present)} of at least {needed} clients present after {waited:.0f} s in the lobby"
        return [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def _open(self, state: FederationState, present: set[str], at: float) -> Opened:
        number = state.round + 1
        closing = number > self.rounds
        count = len(present) if closing else max(round(self.sample_ratio * len(present)), self.round.count_min)
        chosen = choose(derive(self.seed, "participants", number), sorted(present), count)
        return Opened(at=at, round=number, participants=tuple(chosen), seconds=self.round.time_max, closing=closing)

    def _tick_collecting(self, state: FederationState, attendance: Attendance, at: float) -> list[Fact]:
        quorum = self.quorum(state)
        counted = len(state.delivered)
        # Clients that are away are not waited for. Without a quorum, they may come back until the deadline.
        complete = counted >= self.round.count_max or not attendance.awaited
        if counted >= quorum and (at >= state.deadline or (complete and at - state.since >= self.round.time_min)):
            return self._closed(state, at)
        if at < state.deadline:
            return []
        if state.extensions < self.extensions:
            return [Extended(at=at, seconds=self.round.time_max)]
        reason = f"round {state.round}: {counted} of at least {quorum} uplinks at the deadline"
        if state.missing:
            reason += f"; missing {', '.join(sorted(state.missing))}"
        return [FederationEnded(at=at, state=FederationPhase.FAILED, reason=reason)]

    def _closed(self, state: FederationState, at: float) -> list[Fact]:
        closed: list[Fact] = [Closed(at=at, round=state.round)]
        done = FederationEnded(at=at, state=FederationPhase.FINISHED, reason=f"all {self.rounds} rounds done")
        return [*closed, done] if state.closing else closed
