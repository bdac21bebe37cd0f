"""The client's machine: pure decisions about what to do next.

    joining -> waiting -> working -> pushing -> waiting -> ... -> done

`step` takes a state and an event and returns the next state and the effects to perform. It imports no network, no
clock and no torch; `runner` performs the effects and reports back with events. While it works or pushes, a pull stays
open beside it: to the server that is the sign of life, and to the client the news that the round went on without it.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from limbeck_common.errors import FederationError, LimbeckError, MembershipError, UnreachableError
from limbeck_common.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink

FIRST_PAUSE = 0.2  # seconds; doubled at each failure in a row
LONGEST_PAUSE = 30.0


class Phase(Enum):
    """Where the client stands."""

    JOINING = auto()
    WAITING = auto()
    WORKING = auto()
    PUSHING = auto()
    DONE = auto()


@dataclass(frozen=True)
class Agent:
    """All that the client must remember. `next` is a downlink that came while an earlier one was worked on."""

    phase: Phase = Phase.JOINING
    federation_id: str = ""
    round: int = 0
    learned: int = 0  # the last round taken up: what the rounds before it taught is known
    next: Downlink | None = None
    failures: int = 0
    ended: Ended | None = None
    patience: float = 3600.0  # seconds without any answer after which the client gives up


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
class Pushed:
    """The server gave a receipt."""

    receipt: Receipt


@dataclass(frozen=True)
class Failed:
    """An effect failed, `silent` seconds after the server's last answer. `what` is the effect, to be done again."""

    what: "Effect"
    error: LimbeckError
    silent: float = 0.0


# Effects: what is to be done.


@dataclass(frozen=True)
class Join:
    """Join the federation, after `pause` seconds (jitter added)."""

    pause: float = 0.0


@dataclass(frozen=True)
class Pull:
    """Ask for a round after `after`, after `pause` seconds (jitter added); `learned` is the last one taken up."""

    federation_id: str
    after: int
    learned: int = 0
    pause: float = 0.0


@dataclass(frozen=True)
class Work:
    """Do a round's work."""

    downlink: Downlink


@dataclass(frozen=True)
class Push:
    """Push an uplink, after `pause` seconds (jitter added)."""

    uplink: Uplink
    pause: float = 0.0


@dataclass(frozen=True)
class Stop:
    """Stop: the federation has ended, or `error` cannot be mended by trying again."""

    ended: Ended | None = None
    error: LimbeckError | None = None


Event = Started | Joined | Pulled | Worked | Pushed | Failed
Effect = Join | Pull | Work | Push | Stop
Step = tuple[Agent, list[Effect]]


def step(agent: Agent, event: Event) -> Step:  # noqa: PLR0911 - one case an event
    """Return the next state and what is to be done."""
    match event:
        case Started():
            return agent, [Join()]
        case Joined(invitation, kept):
            return _joined(replace(agent, failures=0), invitation.federation_id, kept)
        case Pulled(answer):
            return _pulled(replace(agent, failures=0), answer)
        case Worked(uplink) if uplink.federation_id == agent.federation_id and agent.ended is None:
            return replace(agent, phase=Phase.PUSHING), [Push(uplink)]
        case Worked(_):  # of a federation that has ended or is no more
            return _go_on(replace(agent, phase=Phase.WAITING))
        case Pushed(_):
            return _go_on(replace(agent, phase=Phase.WAITING, failures=0))
        case Failed(what, error, silent):
            return _failed(agent, what, error, silent)


def _joined(agent: Agent, federation_id: str, kept: Uplink | None) -> Step:
    if agent.federation_id != federation_id:  # another federation: nothing of the old one is of use
        agent = replace(agent, federation_id=federation_id, round=0, learned=0, next=None, ended=None)
    if agent.phase is not Phase.JOINING:
        return agent, [_pull(agent)]
    if kept is not None:  # pushed or not before the restart: the server knows, and counts it once
        agent = replace(agent, phase=Phase.PUSHING, round=kept.round, learned=kept.round)
        return agent, [_pull(agent), Push(kept)]
    return replace(agent, phase=Phase.WAITING), [_pull(agent)]


def _pulled(agent: Agent, answer: Downlink | Idle | Ended) -> Step:
    busy = agent.phase in {Phase.WORKING, Phase.PUSHING}
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


def _go_on(agent: Agent) -> Step:
    """Take up what waits: the federation's end, else the newest downlink; else wait for the pull that is open."""
    if agent.ended is not None:
        return replace(agent, phase=Phase.DONE), [Stop(ended=agent.ended)]
    if agent.next is not None:
        return replace(agent, phase=Phase.WORKING, next=None, learned=agent.next.round), [Work(agent.next)]
    return agent, []


def _failed(agent: Agent, what: Effect, error: LimbeckError, silent: float) -> Step:
    if isinstance(error, UnreachableError) and agent.ended is not None:  # the server has gone home, as we may
        return _go_on(agent)
    if isinstance(error, UnreachableError) and isinstance(what, Join | Pull | Push) and silent < agent.patience:
        again = replace(what, pause=min(FIRST_PAUSE * 2 ** min(agent.failures, 16), LONGEST_PAUSE))
        return replace(agent, failures=agent.failures + 1), [again]
    if isinstance(error, FederationError | MembershipError) and isinstance(what, Pull):
        return agent, [Join()]  # the server was set up anew, or does not know us: introduce ourselves once more
    if isinstance(error, FederationError) and isinstance(what, Push):
        return _go_on(replace(agent, phase=Phase.WAITING))
    return replace(agent, phase=Phase.DONE), [Stop(error=error)]


def _pull(agent: Agent) -> Pull:
    return Pull(agent.federation_id, agent.round, agent.learned)
