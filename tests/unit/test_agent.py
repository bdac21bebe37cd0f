"""The client's agent, as transcripts: `EVENT -> effects`, nothing where nothing is to be done.

`failed EFFECT ERROR [SILENT]`: the last such effect failed, and the server has been silent for so many seconds.
"""

from limbeck_client import agent as machine
from limbeck_client.agent import (
    Agent,
    Failed,
    Join,
    Joined,
    Phase,
    Pull,
    Pulled,
    Push,
    Pushed,
    Started,
    Stop,
    Work,
    Worked,
)
from limbeck_common import errors
from limbeck_common.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink

ERRORS = {
    "away": errors.UnreachableError("away"),
    "conflict": errors.ConflictError("conflict"),
    "crash": errors.UserCodeError("crash"),
    "federation": errors.FederationError("federation"),
    "membership": errors.MembershipError("membership"),
}
EFFECTS: dict[str, type[machine.Effect]] = {"join": Join, "pull": Pull, "push": Push, "work": Work}
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


def shows(transcript: str, patience: float = 3600.0) -> Agent:
    """Play a transcript's events and require that just what it says is to be done. Return the last state."""
    written = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
    agent, played = Agent(patience=patience), []
    last: dict[type, machine.Effect] = {}
    under_way: list[machine.Effect] = []
    for line in written:
        words = line.partition(" -> ")[0].split()
        event = _event(words, agent, last)
        done = {Joined: Join, Pulled: Pull, Worked: Work, Pushed: Push}.get(type(event))
        done = type(event.what) if isinstance(event, Failed) else done
        under_way = [effect for effect in under_way if type(effect) is not done]
        agent, effects = machine.step(agent, event)
        last |= {type(effect): effect for effect in effects}
        under_way += effects
        played.append(" ".join(words) + (" -> " if effects else "") + "; ".join(map(_tell, effects)))
        # The sign of life: one Join or Pull is always under way, and never two. Beside it, one piece of work at most.
        signs = sum(isinstance(effect, Join | Pull) for effect in under_way)
        assert signs == 1 or (signs == 0 and agent.ended is not None) or agent.phase is Phase.DONE
        assert sum(isinstance(effect, Work | Push) for effect in under_way) <= 1
    assert played == written
    return agent


def _event(words: list[str], agent: Agent, last: dict[type, machine.Effect]) -> machine.Event:  # noqa: PLR0911 - one case an event
    work = last.get(Work)
    match words:
        case ["started"]:
            return Started()
        case ["joined", federation_id, "keeping", number]:
            return Joined(Invitation(federation_id, "{}", b"", 0), Uplink(federation_id, "me", int(number)))
        case ["joined", federation_id]:
            return Joined(Invitation(federation_id, "{}", b"", 0))
        case ["pulled", "idle"]:
            return Pulled(Idle("lobby", 0))
        case ["pulled", "finished" | "failed" as state]:
            return Pulled(Ended(state, "why"))
        case ["pulled", number]:
            return Pulled(Downlink(agent.federation_id, int(number)))
        case ["worked"] if isinstance(work, Work):
            return Worked(Uplink(work.downlink.federation_id, "me", work.downlink.round))
        case ["pushed", receipt]:
            return Pushed(Receipt(receipt))
        case ["failed", effect, error, *silent]:
            return Failed(last[EFFECTS[effect]], ERRORS[error], float(silent[0]) if silent else 0.0)
    raise AssertionError(words)


def _tell(effect: machine.Effect) -> str:
    match effect:
        case Work():
            return f"work {effect.downlink.round}"
        case Stop():
            return f"stop: {effect.ended.state if effect.ended else effect.error}"
        case Join():
            told = "join"
        case Pull():
            told = f"pull {effect.federation_id} after {effect.after}"
            told += f" knowing {effect.learned}" if effect.learned != effect.after else ""
        case Push():
            told = f"push {effect.uplink.round}"
    return told + (f" in {effect.pause:g} s" if effect.pause else "")


def test_a_federation_of_two_rounds() -> None:
    shows("""
        started            -> join
        joined f           -> pull f after 0
        pulled idle        -> pull f after 0
        pulled 1           -> work 1; pull f after 1
        pulled idle        -> pull f after 1
        worked             -> push 1
        pushed accepted
        pulled 2           -> work 2; pull f after 2
        worked             -> push 2
        pushed accepted
        pulled finished    -> stop: finished
    """)


def test_a_duplicate_is_as_good_as_accepted() -> None:
    shows(WORKING + "worked -> push 1 \n pushed duplicate \n pulled 2 -> work 2; pull f after 2")


def test_of_the_rounds_that_went_by_while_working_the_newest_is_taken_up() -> None:
    shows(
        WORKING
        + """
        pulled 2           -> pull f after 2 knowing 1
        pulled 3           -> pull f after 3 knowing 1
        worked             -> push 1
        pushed late        -> work 3
        worked             -> push 3
        pulled idle        -> pull f after 3
        pushed accepted
    """
    )


def test_a_restarted_client_knows_what_it_knew() -> None:
    shows("started -> join \n joined f keeping 3 -> pull f after 3; push 3 \n pulled 4 -> pull f after 4 knowing 3")


def test_a_server_that_is_away_is_asked_again_at_growing_intervals() -> None:
    shows(
        STARTED
        + """
        failed pull away 1  -> pull f after 0 in 0.2 s
        failed pull away 2  -> pull f after 0 in 0.4 s
        failed pull away 4  -> pull f after 0 in 0.8 s
        pulled idle         -> pull f after 0
        failed pull away 0  -> pull f after 0 in 0.2 s
    """
    )


def test_the_intervals_have_a_limit_however_long_it_lasts() -> None:
    away = "failed join away 9 -> join in {} s\n"
    pauses = ["0.2", "0.4", "0.8", "1.6", "3.2", "6.4", "12.8", "25.6"] + ["30"] * 2000
    shows("started -> join\n" + "".join(map(away.format, pauses)))


def test_patience_ends() -> None:
    shows(STARTED + "failed pull away 59 -> pull f after 0 in 0.2 s \n failed pull away 60 -> stop: away", patience=60)


def test_an_uplink_is_pushed_until_it_is_answered() -> None:
    shows(
        WORKING
        + """
        worked              -> push 1
        failed push away 1  -> push 1 in 0.2 s
        failed pull away 1  -> pull f after 1 in 0.4 s
        pushed duplicate
        failed pull away 1  -> pull f after 1 in 0.2 s
        pulled 2            -> work 2; pull f after 2
    """
    )


def test_when_the_federation_ends_during_work_nothing_more_is_pushed() -> None:
    shows(WORKING + "pulled finished \n worked -> stop: finished")
    shows(WORKING + "pulled failed \n failed work crash -> stop: crash")


def test_when_it_ends_during_a_push_the_receipt_is_awaited_but_no_server_that_is_gone() -> None:
    pushing = WORKING + "worked -> push 1 \n pulled finished \n"
    shows(pushing + "pushed accepted -> stop: finished")
    shows(pushing + "failed push away 1 -> stop: finished")


def test_a_new_federation_in_the_place_of_the_old_one_is_joined() -> None:
    shows(
        STARTED
        + """
        pulled 1                -> work 1; pull f after 1
        worked                  -> push 1
        pushed accepted
        failed pull federation  -> join
        joined g                -> pull g after 0
        pulled 1                -> work 1; pull g after 1
    """
    )


def test_work_for_a_federation_that_was_replaced_is_dropped() -> None:
    shows(
        WORKING
        + """
        pulled 2                -> pull f after 2 knowing 1
        failed pull federation  -> join
        joined g                -> pull g after 0
        worked
        pulled 1                -> work 1; pull g after 1
    """
    )
    shows(
        WORKING
        + """
        worked                  -> push 1
        failed pull federation  -> join
        failed push federation
        joined g                -> pull g after 0
        pulled 1                -> work 1; pull g after 1
    """
    )


def test_a_server_that_has_forgotten_the_client_gets_a_new_introduction() -> None:
    agent = shows(WORKING + "failed pull membership -> join \n joined f -> pull f after 1 \n worked -> push 1")
    assert agent.phase is Phase.PUSHING


def test_an_evicted_client_stops() -> None:
    shows(STARTED + "failed pull membership -> join \n failed join membership -> stop: membership")
    shows(WORKING + "worked -> push 1 \n failed push membership -> stop: membership")


def test_what_trying_again_cannot_mend_stops_the_client() -> None:
    shows(WORKING + "failed work crash -> stop: crash")
    shows(WORKING + "worked -> push 1 \n failed push conflict -> stop: conflict")
