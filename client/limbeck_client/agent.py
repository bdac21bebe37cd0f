"""The client's machine: pure decisions about what to do next.

    joining -> waiting -> working -> releasing -> pushing -> waiting -> ... -> done

`step` takes a state and an event and returns the next state and the effects to perform. It imports no network, no
clock and no torch; `runner` performs the effects and reports back with events. While it works, waits for its owner's
word or pushes, a pull stays open beside it: to the server that is the sign of life, and to the client the news that the
round went on without it.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from limbeck_client.retry import NO_ATTEMPTS, Attempts, is_transient
from limbeck_common.core.errors import FederationError, LimbeckError, MembershipError, UnreachableError
from limbeck_common.core.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink

REVIEW_PAUSE = 0.5  # seconds between two looks whether the owner has said a word


class ClientPhase(Enum):
    """Where the client stands."""

    JOINING = auto()
    WAITING = auto()
    WORKING = auto()
    RELEASING = auto()
    PUSHING = auto()
    DONE = auto()


@dataclass(frozen=True)
class Agent:
    """All that the client must remember. `next` is a downlink that came while an earlier one was worked on."""

    phase: ClientPhase = ClientPhase.JOINING
    federation_id: str = ""
    round: int = 0
    learned: int = 0  # the last round taken up: what the rounds before it taught is known
    next: Downlink | None = None
    ended: Ended | None = None
    patience: float = 3600.0  # seconds after which a call that keeps failing is given up, and the client with it


# Events: what has happened.


@dataclass(frozen=True)
class Started:
    """The program runs."""


@dataclass(frozen=True)
class Joined:
    """The server took the client in. `kept` is the uplink of the last round worked on, before a restart."""

    invitation: Invitation
    kept: Uplink | None = None


@dataclass(frozen=True)
class Pulled:
    """A pull was answered."""

    answer: Downlink | Idle | Ended


@dataclass(frozen=True)
class Worked:
    """The round's work is done."""

    uplink: Uplink


@dataclass(frozen=True)
class Decided:
    """The owner lets an uplink go, or keeps it back; None: no word yet."""

    uplink: Uplink
    leaves: bool | None


@dataclass(frozen=True)
class Pushed:
    """The server gave a receipt."""

    receipt: Receipt


@dataclass(frozen=True)
class Failed:
    """An effect, `what`, failed after `seconds`, its pause included."""

    what: "Effect"
    error: LimbeckError
    seconds: float = 0.0


# Effects: what is to be done.


@dataclass(frozen=True)
class Join:
    """Join the federation."""

    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class Pull:
    """Ask for a round after `after`; `learned` is the last one taken up."""

    federation_id: str
    after: int
    learned: int = 0
    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class Work:
    """Do a round's work."""

    downlink: Downlink


@dataclass(frozen=True)
class AwaitRelease:
    """See, after `pause` seconds, whether the owner lets an uplink go."""

    uplink: Uplink
    pause: float = 0.0


@dataclass(frozen=True)
class Push:
    """Push an uplink."""

    uplink: Uplink
    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class Stop:
    """Stop: the federation has ended, or `error` cannot be mended by trying again."""

    ended: Ended | None = None
    error: LimbeckError | None = None


Event = Started | Joined | Pulled | Worked | Decided | Pushed | Failed
Effect = Join | Pull | Work | AwaitRelease | Push | Stop
Step = tuple[Agent, list[Effect]]


def step(agent: Agent, event: Event) -> Step:  # noqa: PLR0911 - one case an event
    """Return the next state and what is to be done."""
    match event:
        case Started():
            return agent, [Join()]
        case Joined(invitation, kept):
            return _joined(agent, invitation.federation_id, kept)
        case Pulled(answer):
            return _pulled(agent, answer)
        case Worked(uplink) if uplink.federation_id == agent.federation_id and agent.ended is None:
            return replace(agent, phase=ClientPhase.RELEASING), [AwaitRelease(uplink)]
        case Decided(uplink, leaves) if uplink.federation_id == agent.federation_id and agent.ended is None:
            return _decided(agent, uplink, leaves=leaves)
        case Worked() | Decided():  # of a federation that has ended or is no more
            return _go_on(replace(agent, phase=ClientPhase.WAITING))
        case Pushed(_):
            return _go_on(replace(agent, phase=ClientPhase.WAITING))
        case Failed(what, error, seconds):
            return _failed(agent, what, error, seconds)


def _joined(agent: Agent, federation_id: str, kept: Uplink | None) -> Step:
    if agent.federation_id != federation_id:  # another federation: nothing of the old one is of use
        agent = replace(agent, federation_id=federation_id, round=0, learned=0, next=None, ended=None)
    if agent.phase is not ClientPhase.JOINING:
        return agent, [_pull(agent)]
    if kept is not None:  # pushed or not before the restart: the server knows, and counts it once
        agent = replace(agent, phase=ClientPhase.RELEASING, round=kept.round, learned=kept.round)
        return agent, [_pull(agent), AwaitRelease(kept)]
    return replace(agent, phase=ClientPhase.WAITING), [_pull(agent)]


def _pulled(agent: Agent, answer: Downlink | Idle | Ended) -> Step:
    busy = agent.phase in {ClientPhase.WORKING, ClientPhase.RELEASING, ClientPhase.PUSHING}
    if isinstance(answer, Ended):
        agent = replace(agent, ended=answer)
        return (agent, []) if busy else _go_on(agent)
    if isinstance(answer, Idle):
        return agent, [_pull(agent)]
    agent = replace(agent, next=answer, round=answer.round)
    if busy:
        return agent, [_pull(agent)]
    agent, effects = _go_on(agent)
    return agent, [*effects, _pull(agent)]


def _decided(agent: Agent, uplink: Uplink, *, leaves: bool | None) -> Step:
    if leaves:
        return replace(agent, phase=ClientPhase.PUSHING), [Push(uplink)]
    if leaves is None and agent.next is None:
        return agent, [AwaitRelease(uplink, REVIEW_PAUSE)]
    return _go_on(replace(agent, phase=ClientPhase.WAITING))  # kept back, or its round is over


def _go_on(agent: Agent) -> Step:
    """Take up what waits: the federation's end, else the newest downlink; else wait for the pull that is open."""
    if agent.ended is not None:
        return replace(agent, phase=ClientPhase.DONE), [Stop(ended=agent.ended)]
    if agent.next is not None:
        return replace(agent, phase=ClientPhase.WORKING, next=None, learned=agent.next.round), [Work(agent.next)]
    return agent, []


def _failed(agent: Agent, what: Effect, error: LimbeckError, seconds: float) -> Step:
    if isinstance(error, UnreachableError) and agent.ended is not None:  # the server has gone home, as we may
        return _go_on(agent)
    if is_transient(error) and isinstance(what, Join | Pull | Push):
        attempts = what.attempts.after(error, seconds)
        if attempts.seconds < agent.patience:
            return agent, [replace(what, attempts=attempts)]
    if isinstance(error, FederationError | MembershipError) and isinstance(what, Pull):
        return agent, [Join()]  # the server was set up anew, or does not know us: introduce ourselves once more
    if isinstance(error, FederationError) and isinstance(what, Push):
        return _go_on(replace(agent, phase=ClientPhase.WAITING))
    return replace(agent, phase=ClientPhase.DONE), [Stop(error=error)]


def _pull(agent: Agent) -> Pull:
    return Pull(agent.federation_id, agent.round, agent.learned)
