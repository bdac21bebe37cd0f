"""The client's agent, as transcripts of rounds, failures and other federations: see `support.agent_transcript`."""

from support.agent_transcript import PUSHING, STARTED, WORKING, shows

from limbeck_client.agent import ClientPhase


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


def test_a_round_that_the_owner_forbids_is_declined_before_the_client_stops() -> None:
    shows(WORKING + "failed work policy -> decline f 1 \n declined -> stop: policy")
    shows(
        WORKING
        + "failed work policy -> decline f 1 \n pulled 2 -> pull f after 2 knowing 1 \n declined -> stop: policy"
    )
    shows(WORKING + "failed work policy -> decline f 1 \n failed decline conflict -> stop: policy")


def test_what_trying_again_cannot_mend_stops_the_client() -> None:
    shows(WORKING + "failed work crash -> stop: crash")
    shows(PUSHING + "failed push conflict -> stop: conflict")
