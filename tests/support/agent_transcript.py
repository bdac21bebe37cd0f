"""Transcripts of the client's agent: `EVENT -> effects`, nothing where nothing is to be done.

`failed EFFECT ERROR [SECONDS]`: the last such effect failed, after so many seconds. Federations are in epoch 1 unless
an `epoch` is named; `joined f keeping 3`: with round 3 in the checkpoint.
"""

from limbeck_client import agent as machine
from limbeck_client.agent import (
    Agent,
    AwaitRelease,
    ClientPhase,
    Decided,
    Decline,
    DeclineTaken,
    Failed,
    Join,
    Joined,
    Pull,
    Pulled,
    Push,
    Pushed,
    ReportRestore,
    Started,
    Stop,
    Work,
    Worked,
)
from limbeck_common.core import errors
from limbeck_common.core.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink


class FullError(errors.SizeError):
    """A refusal that may pass."""

    again = True


ERRORS = {
    "away": errors.UnreachableError("away"),
    "behind": errors.BehindError("behind"),
    "conflict": errors.ConflictError("conflict"),
    "crash": errors.UserCodeError("crash"),
    "epoch": errors.EpochError("epoch"),
    "full": FullError("full"),
    "federation": errors.FederationError("federation"),
    "membership": errors.MembershipError("membership"),
    "policy": errors.PolicyError("policy"),
}
EFFECTS: dict[str, type[machine.Effect]] = {
    "join": Join,
    "pull": Pull,
    "push": Push,
    "decline": Decline,
    "release": AwaitRelease,
    "work": Work,
}
DONE: dict[type, type] = {
    Joined: Join,
    Pulled: Pull,
    Worked: Work,
    Decided: AwaitRelease,
    Pushed: Push,
    DeclineTaken: Decline,
}
STARTED = """
    started            -> join
    joined f           -> pull f after 0
"""
WORKING = (
    STARTED
    + """
    pulled 1           -> work 1; pull f after 1
"""
)
PUSHING = WORKING + "worked -> release 1 \n approved -> push 1 \n"
REFUSED = WORKING + "worked -> release 1 \n refused -> decline f 1 \n"


def shows(transcript: str, patience: float = 3600.0) -> Agent:
    """Play a transcript's events and require that just what it says is to be done. Return the last state."""
    written = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
    agent, played = Agent(patience=patience), []
    last: dict[type, machine.Effect] = {}
    under_way: list[machine.Effect] = []
    for line in written:
        words = line.partition(" -> ")[0].split()
        event = _event(words, agent, last)
        done = DONE.get(type(event))
        done = type(event.what) if isinstance(event, Failed) else done
        under_way = [effect for effect in under_way if type(effect) is not done]
        agent, effects = machine.step(agent, event)
        last |= {type(effect): effect for effect in effects}
        under_way += effects
        played.append(" ".join(words) + (" -> " if effects else "") + "; ".join(map(_text, effects)))
        # The sign of life: one Join or Pull is always under way, and never two. Beside it, one piece of work at most.
        signs = sum(isinstance(effect, Join | Pull) for effect in under_way)
        assert signs == 1 or (signs == 0 and agent.ended is not None) or agent.phase is ClientPhase.DONE
        assert sum(isinstance(effect, Work | AwaitRelease | Push) for effect in under_way) <= 1
    assert played == written
    return agent


def _event(  # noqa: C901, PLR0911 - one case an event
    words: list[str], agent: Agent, last: dict[type, machine.Effect]
) -> machine.Event:
    work = last.get(Work)
    match words:
        case ["started"]:
            return Started()
        case ["joined", federation_id, *more]:
            said = dict(zip(more[::2], map(int, more[1::2]), strict=True))
            epoch = said.get("epoch", 1)
            kept = None
            if "keeping" in said:
                kept = Uplink(federation_id, "me", said["keeping"], epoch=said.get("of", epoch))
            return Joined(Invitation(federation_id, "{}", b"", 0, epoch=epoch), kept)
        case ["pulled", "idle"]:
            return Pulled(Idle("lobby", 0))
        case ["pulled", "finished" | "failed" as state]:
            return Pulled(Ended(state, "why"))
        case ["pulled", number]:
            return Pulled(Downlink(agent.federation_id, int(number), plan={}))
        case ["worked"] if isinstance(work, Work):
            return Worked(Uplink(work.downlink.federation_id, "me", work.downlink.round, epoch=work.epoch))
        case ["approved" | "refused" | "undecided" as word]:
            return Decided(_released(last), {"approved": True, "refused": False}.get(word))
        case ["pushed", receipt]:
            return Pushed(Receipt(receipt))
        case ["declined"]:
            return DeclineTaken()
        case ["failed", effect, error, *seconds]:
            return Failed(last[EFFECTS[effect]], ERRORS[error], float(seconds[0]) if seconds else 0.0)
    raise AssertionError(words)


def _released(last: dict[type, machine.Effect]) -> Uplink:
    release = last[AwaitRelease]
    assert isinstance(release, AwaitRelease)
    return release.uplink


def _text(effect: machine.Effect) -> str:
    match effect:
        case ReportRestore():
            return f"report restore after {effect.round}, epoch {effect.epoch}"
        case Work():
            return f"work {effect.downlink.round}"
        case Stop():
            return f"stop: {effect.ended.state if effect.ended else effect.error}"
        case Join():
            text = "join"
        case Pull():
            text = f"pull {effect.federation_id} after {effect.after}"
            text += f" knowing {effect.learned}" if effect.learned != effect.after else ""
            text += f" in epoch {effect.epoch}" if effect.epoch != 1 else ""
        case Decline():
            text = f"decline {effect.federation_id} {effect.round}"
            text += f" in epoch {effect.epoch}" if effect.epoch != 1 else ""
        case AwaitRelease() | Push():
            text = f"{'push' if isinstance(effect, Push) else 'release'} {effect.uplink.round}"
    pause = effect.pause if isinstance(effect, AwaitRelease) else effect.attempts.pause
    return text + (f" in {pause:g} s" if pause else "")
