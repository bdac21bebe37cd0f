"""The client's agent, as transcripts: `EVENT -> effects`, nothing where nothing is to be done.

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
        played.append(" ".join(words) + (" -> " if effects else "") + "; ".join(map(_say, effects)))
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
            return Pulled(Downlink(agent.federation_id, int(number)))
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


def _say(effect: machine.Effect) -> str:
    match effect:
        case ReportRestore():
            return f"report restore after {effect.round}, epoch {effect.epoch}"
        case Work():
            return f"work {effect.downlink.round}"
        case Stop():
            return f"stop: {effect.ended.state if effect.ended else effect.error}"
        case Join():
            said = "join"
        case Pull():
            said = f"pull {effect.federation_id} after {effect.after}"
            said += f" knowing {effect.learned}" if effect.learned != effect.after else ""
            said += f" in epoch {effect.epoch}" if effect.epoch != 1 else ""
        case Decline():
            said = f"decline {effect.federation_id} {effect.round}"
            said += f" in epoch {effect.epoch}" if effect.epoch != 1 else ""
        case AwaitRelease() | Push():
            said = f"{'push' if isinstance(effect, Push) else 'release'} {effect.uplink.round}"
    pause = effect.pause if isinstance(effect, AwaitRelease) else effect.attempts.pause
    return said + (f" in {pause:g} s" if pause else "")


def test_a_federation_of_two_rounds() -> None:
    shows("""
        started            -> join
        joined f           -> pull f after 0
        pulled idle        -> pull f after 0
        pulled 1           -> work 1; pull f after 1
        pulled idle        -> pull f after 1
        worked             -> release 1
        approved             -> push 1
        pushed accepted
        pulled 2           -> work 2; pull f after 2
        worked             -> release 2
        approved             -> push 2
        pushed accepted
        pulled finished    -> stop: finished
    """)


def test_a_duplicate_is_as_good_as_accepted() -> None:
    shows(PUSHING + "pushed duplicate \n pulled 2 -> work 2; pull f after 2")


def test_of_the_rounds_that_went_by_while_working_the_newest_is_taken_up() -> None:
    shows(
        WORKING
        + """
        pulled 2           -> pull f after 2 knowing 1
        pulled 3           -> pull f after 3 knowing 1
        worked             -> release 1
        approved             -> push 1
        pushed late        -> work 3
        worked             -> release 3
        approved             -> push 3
        pulled idle        -> pull f after 3
        pushed accepted
    """
    )


def test_a_restarted_client_knows_what_it_knew() -> None:
    shows("started -> join \n joined f keeping 3 -> pull f after 3; release 3 \n pulled 4 -> pull f after 4 knowing 3")


def test_a_server_that_is_away_is_asked_again_at_growing_intervals() -> None:
    shows(
        STARTED
        + """
        failed pull away 1  -> pull f after 0 in 0.2 s
        failed pull away 1  -> pull f after 0 in 0.4 s
        failed pull away 2  -> pull f after 0 in 0.8 s
        pulled idle         -> pull f after 0
        failed pull away 0  -> pull f after 0 in 0.2 s
    """
    )


def test_the_intervals_have_a_limit_however_long_it_lasts() -> None:
    away = "failed join away 1 -> join in {} s\n"
    pauses = ["0.2", "0.4", "0.8", "1.6", "3.2", "6.4", "12.8", "25.6"] + ["30"] * 2000
    shows("started -> join\n" + "".join(map(away.format, pauses)))


def test_patience_ends_with_the_last_error() -> None:
    shows(STARTED + "failed pull away 59 -> pull f after 0 in 0.2 s \n failed pull away 1 -> stop: away", patience=60)
    shows("started -> join \n failed join away 60 -> stop: away", patience=60)


def test_an_uplink_is_pushed_until_it_is_answered() -> None:
    shows(
        WORKING
        + """
        worked              -> release 1
        approved            -> push 1
        failed push away 1  -> push 1 in 0.2 s
        failed pull away 1  -> pull f after 1 in 0.2 s
        failed push away 1  -> push 1 in 0.4 s
        pushed duplicate
        failed pull away 1  -> pull f after 1 in 0.4 s
        pulled 2            -> work 2; pull f after 2
    """
    )


def test_a_push_that_always_fails_ends_the_client_although_its_pulls_are_answered() -> None:
    shows(
        WORKING
        + """
        worked               -> release 1
        approved             -> push 1
        failed push full 20  -> push 1 in 0.2 s
        pulled idle          -> pull f after 1
        failed push away 20  -> push 1 in 0.4 s
        pulled idle          -> pull f after 1
        failed push full 20  -> stop: full
    """,
        patience=60,
    )


def test_a_push_may_fail_long_after_the_one_before_was_answered() -> None:
    shows(
        WORKING
        + """
        worked               -> release 1
        approved             -> push 1
        failed push away 50  -> push 1 in 0.2 s
        pushed accepted
        pulled 2             -> work 2; pull f after 2
        worked               -> release 2
        approved             -> push 2
        failed push away 50  -> push 2 in 0.2 s
    """,
        patience=60,
    )


def test_an_uplink_is_held_until_its_owner_lets_it_go() -> None:
    shows(
        WORKING
        + """
        worked       -> release 1
        undecided    -> release 1 in 0.5 s
        pulled idle  -> pull f after 1
        undecided    -> release 1 in 0.5 s
        approved     -> push 1
        pushed accepted
    """
    )


REFUSED = WORKING + "worked -> release 1 \n refused -> decline f 1 \n"


def test_what_its_owner_keeps_back_is_declined_and_the_next_round_is_taken_up() -> None:
    agent = shows(REFUSED + "declined \n pulled 2 -> work 2; pull f after 2")
    assert agent.phase is ClientPhase.WORKING
    assert shows(REFUSED).phase is ClientPhase.WAITING
    shows(REFUSED + "pulled 2 -> work 2; pull f after 2 \n declined \n worked -> release 2")


def test_a_round_that_is_over_is_not_declined() -> None:
    shows(WORKING + "worked -> release 1 \n pulled 2 -> pull f after 2 knowing 1 \n refused -> work 2")
    shows(WORKING + "worked -> release 1 \n pulled finished \n refused -> stop: finished")


def test_a_restarted_client_declines_again_what_was_refused() -> None:
    shows("started -> join \n joined f keeping 3 -> pull f after 3; release 3 \n refused -> decline f 3")


def test_a_decline_is_tried_again_while_its_round_is_open() -> None:
    shows(
        REFUSED
        + """
        failed decline away 1  -> decline f 1 in 0.2 s
        failed decline full 1  -> decline f 1 in 0.4 s
        pulled 2               -> work 2; pull f after 2
        failed decline away 1
    """
    )
    shows(REFUSED + "pulled finished -> stop: finished \n failed decline away 1")
    shows(REFUSED + "failed pull federation -> join \n joined g -> pull g after 0 \n failed decline away 1")
    shows(
        REFUSED
        + """
        failed pull epoch      -> join
        joined f epoch 2       -> report restore after 1, epoch 2; pull f after 0 in epoch 2
        failed decline away 1
    """
    )


def test_a_decline_that_fails_is_never_fatal() -> None:
    for error in ("federation", "membership", "epoch", "conflict"):
        agent = shows(REFUSED + f"failed decline {error} 1 \n pulled 2 -> work 2; pull f after 2")
        assert agent.phase is ClientPhase.WORKING
    shows(
        REFUSED
        + """
        failed decline away 40  -> decline f 1 in 0.2 s
        failed decline away 20
        pulled 2                -> work 2; pull f after 2
    """,
        patience=60,
    )


def test_a_round_that_is_over_is_waited_for_no_more() -> None:
    shows(WORKING + "worked -> release 1 \n pulled 2 -> pull f after 2 knowing 1 \n undecided -> work 2")
    shows(WORKING + "worked -> release 1 \n pulled finished \n undecided -> stop: finished")
    shows(WORKING + "worked -> release 1 \n pulled finished \n approved -> stop: finished")
    shows(
        WORKING
        + """
        worked                  -> release 1
        failed pull federation  -> join
        joined g                -> pull g after 0
        undecided
        pulled 1                -> work 1; pull g after 1
    """
    )


def test_when_the_federation_ends_during_work_nothing_more_is_pushed() -> None:
    shows(WORKING + "pulled finished \n worked -> stop: finished")
    shows(WORKING + "pulled failed \n failed work crash -> stop: crash")
    shows(WORKING + "worked -> release 1 \n failed release crash -> stop: crash")


def test_when_it_ends_during_a_push_the_receipt_is_awaited_but_no_server_that_is_gone() -> None:
    pushing = PUSHING + "pulled finished \n"
    shows(pushing + "pushed accepted -> stop: finished")
    shows(pushing + "failed push away 1 -> stop: finished")


def test_a_new_federation_in_the_place_of_the_old_one_is_joined() -> None:
    shows(
        STARTED
        + """
        pulled 1                -> work 1; pull f after 1
        worked                  -> release 1
        approved                  -> push 1
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
        worked                  -> release 1
        approved                  -> push 1
        failed pull federation  -> join
        failed push federation
        joined g                -> pull g after 0
        pulled 1                -> work 1; pull g after 1
    """
    )


def test_a_server_that_has_forgotten_the_client_gets_a_new_introduction() -> None:
    agent = shows(
        WORKING
        + "failed pull membership -> join \n joined f -> pull f after 1 \n worked -> release 1 \n approved -> push 1"
    )
    assert agent.phase is ClientPhase.PUSHING


def test_an_evicted_client_stops() -> None:
    shows(STARTED + "failed pull membership -> join \n failed join membership -> stop: membership")
    shows(PUSHING + "failed push membership -> stop: membership")


def test_what_trying_again_cannot_mend_stops_the_client() -> None:
    shows(WORKING + "failed work crash -> stop: crash")
    shows(PUSHING + "failed push conflict -> stop: conflict")


LATER = "work 4; pull f after 4 in epoch 2"
RESTORED = "-> report restore after 5, epoch 2; pull f after 0 in epoch 2"
FIFTH = STARTED + "pulled 5 -> work 5; pull f after 5 \n"


def test_after_the_server_was_restored_rounds_are_counted_anew() -> None:
    shows(
        FIFTH
        + f"""
        worked               -> release 5
        approved             -> push 5
        pushed accepted
        failed pull away 1   -> pull f after 5 in 0.2 s
        failed pull epoch    -> join
        joined f epoch 2     {RESTORED}
        pulled 4             -> work 4; pull f after 4 in epoch 2
        worked               -> release 4
        approved             -> push 4
        pushed accepted
        pulled 5             -> work 5; pull f after 5 in epoch 2
        worked               -> release 5
        refused              -> decline f 5 in epoch 2
    """
    )


def test_an_uplink_of_an_earlier_epoch_is_dropped_wherever_it_is() -> None:
    anew = f"failed pull epoch -> join \n joined f epoch 2 {RESTORED} \n"
    later = "pulled 4 -> work 4; pull f after 4 in epoch 2"
    shows(FIFTH + anew + "worked \n" + later)
    shows(FIFTH + anew + "pulled 4 -> pull f after 4 knowing 0 in epoch 2 \n worked -> work 4")
    shows(FIFTH + "worked -> release 5 \n" + anew + "approved \n" + later)
    shows(FIFTH + "worked -> release 5 \n approved -> push 5 \n" + anew + "failed push epoch \n" + later)
    shows(FIFTH + "worked -> release 5 \n approved -> push 5 \n failed push epoch \n" + anew + later)
    shows(FIFTH + "pulled 6 -> pull f after 6 knowing 5 \n" + anew + "worked \n" + later)


def test_a_client_that_was_restarted_meanwhile_keeps_its_checkpoint_but_not_the_uplink_in_it() -> None:
    shows(f"started -> join \n joined f epoch 2 keeping 5 of 1 {RESTORED} \n pulled 4 -> {LATER}")
    shows("started -> join \n joined f epoch 2 keeping 4 -> pull f after 4 in epoch 2; release 4")
    shows("started -> join \n joined f epoch 2 -> pull f after 0 in epoch 2")


def test_another_federation_is_no_restored_one() -> None:
    shows(FIFTH + "failed pull federation -> join \n joined g epoch 2 -> pull g after 0 in epoch 2")


def test_a_server_with_an_older_store_is_asked_until_patience_ends() -> None:
    shows(
        PUSHING
        + """
        failed pull behind 20  -> pull f after 1 in 0.2 s
        failed push behind 20  -> push 1 in 0.2 s
        failed pull behind 20  -> pull f after 1 in 0.4 s
        failed pull behind 20  -> stop: behind
    """,
        patience=60,
    )
    shows("started -> join \n failed join behind 1 -> join in 0.2 s \n joined f -> pull f after 0")
    shows(REFUSED + "failed decline behind 1 -> decline f 1 in 0.2 s")
