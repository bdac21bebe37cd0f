"""What an operator asks first: what the federation waits for, until when, and what each client is doing."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from limbeck_server.round.machine import Machine
from limbeck_server.round.state import FederationPhase, FederationState


class ClientStatus(StrEnum):
    """What a client is doing in the current round, or did in the last one while none is open."""

    EVICTED = "evicted"  # an operator evicted it for good
    REVOKED = "revoked"  # its certificate was revoked; it may join again with a new one
    DELIVERED = "delivered"  # its uplink is counted
    DECLINED = "declined"  # it said that it will not answer this round
    LATE = "late"  # its uplink came after the round had closed
    AWAY = "away"  # it was not heard from within the grace
    WORKING = "working"  # it takes part in the open round
    OVERDUE = "overdue"  # it took part, and the round closed without it
    WAITING = "waiting"  # it does not take part in this round


def client_status(state: FederationState, client: str, *, present: bool) -> ClientStatus:
    """Return what a member is doing."""
    asked = client in state.participants and not state.phase.ended
    cases = (
        (ClientStatus.EVICTED, client in state.evicted),
        (ClientStatus.REVOKED, client in state.revoked),
        (ClientStatus.DELIVERED, client in state.delivered),
        (ClientStatus.DECLINED, client in state.declined),
        (ClientStatus.LATE, state.late.get(client) == state.round),
        (ClientStatus.AWAY, not present),
        (ClientStatus.WORKING, asked and state.phase is FederationPhase.COLLECTING),
        (ClientStatus.OVERDUE, asked),
        (ClientStatus.WAITING, True),
    )
    return next(name for name, true in cases if true)


@dataclass(frozen=True)
class Wait:
    """What is waited for, until when (seconds of the steady clock), and what happens then; 0 and "" for no limit."""

    what: str
    until: float = 0.0
    then: str = ""


def describe_wait(machine: Machine, state: FederationState, present: AbstractSet[str]) -> Wait:
    """Return what the federation waits for. `present` are the clients that were heard from within the grace."""
    if state.phase.ended:
        return Wait("")
    if state.paused_at is not None:
        return Wait("an operator to resume")
    if state.phase is FederationPhase.AGGREGATING:
        return Wait(f"the aggregate of round {state.round}")
    if state.phase is FederationPhase.COLLECTING:
        return _wait_for_uplinks(machine, state, present)
    return _wait_for_clients(machine, state, present)


def _wait_for_clients(machine: Machine, state: FederationState, present: AbstractSet[str]) -> Wait:
    count, needed = len(present & state.active), machine.needed(state)
    which = "the closing round" if state.round == machine.rounds else f"round {state.round + 1}"
    if count >= needed:
        return Wait(f"more clients than the {count} present", state.since + machine.lobby.time_min, f"{which} opens")
    then = "the federation finishes without it" if state.round == machine.rounds else "the federation fails"
    what = f"clients for {which}: {count} of at least {needed} present"
    return Wait(what, state.since + machine.lobby.time_max, then)


def _wait_for_uplinks(machine: Machine, state: FederationState, present: AbstractSet[str]) -> Wait:
    count, quorum, missing = len(state.delivered), machine.quorum(state), set(state.missing)
    away = len(missing - present)
    which = "the closing round" if state.closing else f"round {state.round}"
    what = f"uplinks of {which}: {count} have come, {quorum} are needed, {len(missing)} may come"
    if away:
        what += f" ({away} from clients that are away)"
    if state.declined:
        what += f"; declined by {', '.join(sorted(state.declined))}"
    if count >= quorum:
        then = "the round closes"
    elif state.extensions < machine.extensions:
        then = "the deadline is put off"
    else:
        then = "the federation fails"
    return Wait(what, state.deadline, then)
