"""The client's agent, as transcripts: what follows when the server's store was restored, or is too old."""

from support.agent_transcript import PUSHING, REFUSED, STARTED, shows

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


def test_a_client_that_joins_again_goes_on_where_it_is_and_not_at_its_checkpoint() -> None:
    shows(
        FIFTH
        + """
        failed pull membership  -> join
        joined f keeping 4      -> pull f after 5
    """
    )


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
