"""The client's agent, as transcripts: what its owner refuses is declined, and a decline is never fatal."""

from support.agent_transcript import REFUSED, WORKING, shows

from limbeck_client.agent import ClientPhase


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
