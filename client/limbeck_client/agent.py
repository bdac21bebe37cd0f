"""The client's machine: pure decisions about what to do next.

    joining -> waiting -> working -> releasing -> pushing -> waiting -> ... -> done

`step` takes a state and an event and returns the next state and the effects to perform. It imports no network, no
clock and no torch; `runner` performs the effects and reports back with events. While the client works, waits for its
owner's decision or pushes, a Pull stays open beside it: it tells the server that the client is alive, and the client
that the round went on without it.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from limbeck_client.retry import NO_ATTEMPTS, Attempts
from limbeck_common.core.errors import (
    EpochError,
    FederationError,
    LimbeckError,
    MembershipError,
    PolicyError,
    UnreachableError,
)
from limbeck_common.core.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink

REVIEW_PAUSE = 0.5  # seconds between two looks at whether the owner has decided


class ClientPhase(Enum):
    """What the client is doing, besides pulling."""

    JOINING = auto()
    WAITING = auto()
    WORKING = auto()
    RELEASING = auto()
    PUSHING = auto()
    LEAVING = auto()  # the owner's policy forbids the round: the server is to know before the client stops
    DONE = auto()


@dataclass(frozen=True)
class Agent:
    """The state of the machine."""

    phase: ClientPhase = ClientPhase.JOINING
    federation_id: str = ""
    epoch: int = 0  # of the server's store, as the last Join returned it
    round: int = 0  # the last round that a Pull returned
    learned: int = 0  # the last round begun: the client knows the aggregates of the rounds before it
    next: Downlink | None = None  # the newest downlink that came while an earlier one was worked on
    ended: Ended | None = None
    forbidden: PolicyError | None = None  # why the client leaves
    patience: float = 3600.0  # seconds after which a call that keeps failing is given up, and the client with it


# Events: what has happened.


@dataclass(frozen=True)
class Started:
    """The program has started."""


@dataclass(frozen=True)
class Joined:
    """The server took the client in. `kept` is the uplink in the checkpoint, of the last round worked on."""

    invitation: Invitation
    kept: Uplink | None = None


@dataclass(frozen=True)
class Pulled:
    """A Pull was answered."""

    answer: Downlink | Idle | Ended


@dataclass(frozen=True)
class Worked:
    """The round's work is done."""

    uplink: Uplink


@dataclass(frozen=True)
class Decided:
    """The owner lets an uplink leave, or keeps it back; None: not decided yet."""

    uplink: Uplink
    leaves: bool | None


@dataclass(frozen=True)
class Pushed:
    """The server gave a receipt for an uplink."""

    receipt: Receipt


@dataclass(frozen=True)
class DeclineTaken:
    """The server knows that this client will not answer the round."""


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
    """Ask for a round after `after`; `learned` is the last one begun."""

    federation_id: str
    epoch: int
    after: int
    learned: int
    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class Work:
    """Do a round's work; its uplink belongs to `epoch`."""

    downlink: Downlink
    epoch: int


@dataclass(frozen=True)
class AwaitRelease:
    """Look, after `pause` seconds, whether the owner lets an uplink leave."""

    uplink: Uplink
    pause: float = 0.0


@dataclass(frozen=True)
class Push:
    """Push an uplink."""

    uplink: Uplink
    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class Decline:
    """Tell the server that this client will not answer a round, so that nobody waits for it."""

    federation_id: str
    epoch: int
    round: int
    attempts: Attempts = NO_ATTEMPTS


@dataclass(frozen=True)
class ReportRestore:
    """Tell the owner that the server's store was restored from a backup; `round` is the last one begun before."""

    epoch: int
    round: int


@dataclass(frozen=True)
class Stop:
    """Stop: the federation has ended, or `error` is permanent."""

    ended: Ended | None = None
    error: LimbeckError | None = None


Event = Started | Joined | Pulled | Worked | Decided | Pushed | DeclineTaken | Failed
Effect = Join | Pull | Work | AwaitRelease | Push | Decline | ReportRestore | Stop
Step = tuple[Agent, list[Effect]]


def step(agent: Agent, event: Event) -> Step:
    """Return the next state and what is to be done."""
    match event:
        case Started():
            return agent, [Join()]
        case Joined(invitation, kept):
            return _joined(agent, invitation, kept)
        case Pulled(answer):
            return _pulled(agent, answer)
        case Worked() | Decided() | Pushed():
            return _advance(agent, event)
        case DeclineTaken():
            return agent, _leave(agent)
        case Failed(what, error, seconds):
            return _failed(agent, what, error, seconds)


def _advance(agent: Agent, event: Worked | Decided | Pushed) -> Step:
    """Return the step after work, a decision or a push; an uplink that is not current goes no further."""
    match event:
        case Worked(uplink) if _is_current(agent, uplink):
            return replace(agent, phase=ClientPhase.RELEASING), [AwaitRelease(uplink)]
        case Decided(uplink, leaves) if _is_current(agent, uplink):
            return _decided(agent, uplink, leaves=leaves)
        case _:
            return _go_on(replace(agent, phase=ClientPhase.WAITING))


def _is_current(agent: Agent, uplink: Uplink) -> bool:
    """Return whether an uplink is of the federation, and of the epoch, that the client is in."""
    return (uplink.federation_id, uplink.epoch) == (agent.federation_id, agent.epoch) and agent.ended is None


def _joined(agent: Agent, invitation: Invitation, kept: Uplink | None) -> Step:
    federation_id, epoch = invitation.federation_id, invitation.epoch
    started_anew = agent.phase is ClientPhase.JOINING
    if started_anew and kept is not None:  # go on from the checkpoint: where this client was before it was restarted
        agent = replace(agent, federation_id=federation_id, epoch=kept.epoch, round=kept.round, learned=kept.round)
    report: list[Effect] = []
    if agent.federation_id == federation_id and 0 < agent.epoch < epoch:
        report = [ReportRestore(epoch, agent.learned)]
    if (agent.federation_id, agent.epoch) != (federation_id, epoch):  # rounds are counted anew
        agent = replace(agent, federation_id=federation_id, epoch=epoch, round=0, learned=0, next=None, ended=None)
    if not started_anew:
        return agent, [*report, _pull(agent)]
    if kept is not None and _is_current(agent, kept):  # pushed or not: the server knows, and counts it once
        return replace(agent, phase=ClientPhase.RELEASING), [_pull(agent), AwaitRelease(kept)]
    return replace(agent, phase=ClientPhase.WAITING), [*report, _pull(agent)]


def _pulled(agent: Agent, answer: Downlink | Idle | Ended) -> Step:
    busy = agent.phase not in {ClientPhase.JOINING, ClientPhase.WAITING}
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
    if agent.next is not None:  # the round went on without this client
        return _go_on(replace(agent, phase=ClientPhase.WAITING))
    if leaves is None:
        return agent, [AwaitRelease(uplink, REVIEW_PAUSE)]
    decline = Decline(agent.federation_id, agent.epoch, uplink.round)
    return replace(agent, phase=ClientPhase.WAITING), [decline]


def _go_on(agent: Agent) -> Step:
    """Take up what has come: the federation's end, else the newest downlink; else wait for the open Pull."""
    if agent.ended is not None:
        return replace(agent, phase=ClientPhase.DONE), [Stop(ended=agent.ended)]
    if agent.next is not None:
        work = Work(agent.next, agent.epoch)
        return replace(agent, phase=ClientPhase.WORKING, next=None, learned=agent.next.round), [work]
    return agent, []


def _failed(agent: Agent, what: Effect, error: LimbeckError, seconds: float) -> Step:
    if isinstance(what, Decline):
        return agent, _decline_again(agent, what, error, seconds) or _leave(agent)
    if isinstance(what, Work):
        return _work_failed(agent, what, error)
    if isinstance(what, Join | Pull | Push):
        return _call_failed(agent, what, error, seconds)
    return replace(agent, phase=ClientPhase.DONE), [Stop(error=error)]


def _work_failed(agent: Agent, what: Work, error: LimbeckError) -> Step:
    if isinstance(error, PolicyError):
        decline = Decline(agent.federation_id, agent.epoch, what.downlink.round)
        return replace(agent, phase=ClientPhase.LEAVING, forbidden=error), [decline]
    return replace(agent, phase=ClientPhase.DONE), [Stop(error=error)]


def _call_failed(agent: Agent, what: Join | Pull | Push, error: LimbeckError, seconds: float) -> Step:
    if isinstance(error, UnreachableError) and agent.ended is not None:  # the server is gone, and so may the client be
        return _go_on(agent)
    attempts = what.attempts.again(error, seconds, agent.patience)
    if attempts is not None:
        return agent, [replace(what, attempts=attempts)]
    if isinstance(error, FederationError | EpochError | MembershipError) and isinstance(what, Pull):
        return agent, [Join()]  # the server was set up anew or restored, or does not know the client: join again
    if isinstance(error, FederationError | EpochError) and isinstance(what, Push):  # the open Pull will fail, too
        return _go_on(replace(agent, phase=ClientPhase.WAITING))
    return replace(agent, phase=ClientPhase.DONE), [Stop(error=error)]


def _decline_again(agent: Agent, what: Decline, error: LimbeckError, seconds: float) -> list[Effect]:
    """Return the Decline once more while its round is open; a failed one is never fatal: its round has a deadline."""
    is_open = (what.federation_id, what.epoch, what.round) == (agent.federation_id, agent.epoch, agent.round)
    attempts = what.attempts.again(error, seconds, agent.patience)
    return [replace(what, attempts=attempts)] if is_open and agent.ended is None and attempts is not None else []


def _leave(agent: Agent) -> list[Effect]:
    """Return how a client stops whose owner forbade the round; nothing for any other."""
    return [Stop(error=agent.forbidden)] if agent.forbidden is not None else []


def _pull(agent: Agent) -> Pull:
    return Pull(agent.federation_id, agent.epoch, agent.round, agent.learned)
