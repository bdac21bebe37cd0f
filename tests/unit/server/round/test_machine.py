"""The round machine's way from the lobby to the end, as transcripts."""

from support.machine_transcript import shows

from limbeck_server import events as fact
from limbeck_server.round.machine import Bounds
from limbeck_server.round.state import FederationState, evolve


def test_a_federation_from_its_lobby_to_its_end() -> None:
    shows("""
        at  1 tick a
        at  2 tick a b         -> opened round 1 for a b until 12
        at  3 deliver b 1 x    -> accepted
        at  3 tick a b
        at  4 deliver a 1 y    -> accepted
        at  4 tick a b         -> closed 1
        at  5 tick a b
        at  6 aggregated t1    -> aggregated 1
        at  6 tick a b c       -> opened round 2 for a b c until 16
        at  7 deliver a 2 x    -> accepted
        at  7 deliver b 2 x    -> accepted
        at  8 deliver c 2 x    -> accepted
        at  8 tick a b c       -> closed 2
        at  9 aggregated t2    -> aggregated 2
        at  9 tick a           -> opened closing round 3 for a until 19
        at 10 deliver a 3 none -> accepted
        at 10 tick a           -> closed 3; finished: all 2 rounds done
        at 11 tick a
        at 12 join d
        at 12 evict a
        at 12 revoke a
        at 12 decline b 3
        at 12 pause
        at 12 restart
        at 12 deliver b 3 none -> late
    """)


def test_the_lobby_waits_for_its_least_time_unless_all_are_there() -> None:
    shows("at 4 tick a b \n at 5 tick a b -> opened round 1 for a b until 15", lobby=Bounds(2, 3, 5, 100))
    shows("at 1 tick a b c -> opened round 1 for a b c until 11", lobby=Bounds(2, 3, 5, 100))


def test_a_lobby_without_enough_clients_fails_with_the_count() -> None:
    shows("""
        at  99 tick a
        at 100 tick a -> failed: 1 of at least 2 clients present after 100 s in the lobby
        at 101 tick a b
    """)


def test_only_members_count_in_the_lobby() -> None:
    shows("""
        at 1 tick a stranger
        at 2 join stranger    -> joined stranger
        at 2 join stranger
        at 2 tick a stranger  -> opened round 1 for a stranger until 12
    """)


def test_the_deadline_closes_a_round_that_has_its_quorum() -> None:
    shows("""
        at  1 tick a b c     -> opened round 1 for a b c until 11
        at  2 deliver a 1 x  -> accepted
        at  3 deliver b 1 x  -> accepted
        at 10 tick a b c
        at 11 tick a b c     -> closed 1
        at 12 deliver c 1 x  -> late
        at 13 aggregated t   -> aggregated 1
        at 13 tick a b c     -> opened round 2 for a b c until 23
        at 14 deliver c 1 x  -> late
    """)


def test_the_deadline_without_quorum_is_extended_once_and_then_fails_with_the_reason() -> None:
    shows("""
        at  1 tick a b c     -> opened round 1 for a b c until 11
        at  2 deliver b 1 x  -> accepted
        at 11 tick a b c     -> extended until 21
        at 12 tick a b c
        at 21 tick a b c     -> failed: round 1: 1 of at least 2 uplinks at the deadline; missing a, c
    """)


def test_a_deadline_is_extended_as_often_as_the_rules_say() -> None:
    shows(
        """
        at  1 tick a b       -> opened round 1 for a b until 11
        at 11 tick           -> extended until 21
        at 21 tick           -> extended until 31
        at 31 tick           -> failed: round 1: 0 of at least 2 uplinks at the deadline; missing a, b
    """,
        extensions=2,
    )


def test_an_extension_gives_time_for_the_quorum_and_each_round_has_its_own() -> None:
    shows("""
        at  1 tick a b      -> opened round 1 for a b until 11
        at 11 tick          -> extended until 21
        at 12 deliver a 1 x -> accepted
        at 13 deliver b 1 x -> accepted
        at 13 tick a b      -> closed 1
        at 14 aggregated t  -> aggregated 1
        at 14 tick a b      -> opened round 2 for a b until 24
        at 24 tick          -> extended until 34
    """)


def test_a_client_that_has_gone_is_not_waited_for() -> None:
    shows("""
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver a 1 x  -> accepted
        at 3 deliver b 1 x  -> accepted
        at 4 tick a b       -> closed 1
    """)


def test_a_client_that_returns_in_time_is_waited_for_again() -> None:
    shows("""
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver a 1 x  -> accepted
        at 3 tick a
        at 4 tick a b c
        at 4 deliver b 1 x  -> accepted
        at 5 tick a b c
        at 6 deliver c 1 x  -> accepted
        at 6 tick a b c     -> closed 1
    """)


def test_when_all_have_gone_without_quorum_the_deadline_decides() -> None:
    shows("""
        at  1 tick a b  -> opened round 1 for a b until 11
        at  2 tick
        at 11 tick      -> extended until 21
        at 21 tick      -> failed: round 1: 0 of at least 2 uplinks at the deadline; missing a, b
    """)


def test_no_round_is_shorter_than_its_least_time() -> None:
    shows(
        """
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 1 x  -> accepted
        at 2 deliver b 1 x  -> accepted
        at 4 tick a b
        at 6 tick a b       -> closed 1
        """,
        round=Bounds(2, 9, 5, 10),
    )


def test_more_are_asked_than_are_needed_and_the_first_close_the_round() -> None:
    shows(
        """
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver c 1 x  -> accepted
        at 3 deliver a 1 x  -> accepted
        at 3 tick a b c     -> closed 1
        at 4 deliver b 1 x  -> late
        """,
        round=Bounds(2, 2, 0, 10),
    )


def test_no_more_than_the_most_are_counted() -> None:
    shows(
        """
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver c 1 x  -> accepted
        at 2 deliver a 1 x  -> accepted
        at 2 deliver b 1 x  -> late
        at 2 deliver a 1 x  -> duplicate
        at 2 tick a b c     -> closed 1
        """,
        round=Bounds(1, 2, 0, 10),
    )


def test_over_selection_asks_a_share_and_closes_at_what_is_needed() -> None:
    """Two of three asked, one needed and enough: the other is the spare."""
    shows(
        """
        at 1 tick a b c     -> opened round 1 for b c until 11
        at 2 deliver c 1 x  -> accepted
        at 2 tick a b c     -> closed 1
        at 3 deliver b 1 x  -> late
        """,
        sample_ratio=0.67,
        seed=1,
        round=Bounds(1, 1, 0, 10),
    )


def test_a_share_of_the_clients_takes_part_and_the_seed_says_which() -> None:
    shows(
        """
        at 1 tick a b c     -> opened round 1 for b c until 11
        at 2 deliver a 1 x  -> MembershipError: a does not take part in round 1
        at 2 deliver b 1 x  -> accepted
        at 2 deliver c 1 x  -> accepted
        at 2 tick a b c     -> closed 1
        at 3 aggregated t   -> aggregated 1
        at 3 tick a b c     -> opened round 2 for a b until 13
        """,
        sample_ratio=0.5,
        seed=1,
    )


CLOSING = """
    at 1 tick a b       -> opened round 1 for a b until 11
    at 2 deliver a 1 x  -> accepted
    at 2 deliver b 1 x  -> accepted
    at 2 tick a b       -> closed 1
    at 3 aggregated t   -> aggregated 1
"""


def test_the_closing_round_needs_no_quorum_and_waits_for_whom_it_can() -> None:
    shows(
        CLOSING
        + """
        at  3 tick a b c       -> opened closing round 2 for a b c until 13
        at  4 deliver a 2 none -> accepted
        at 12 tick b
        at 13 tick b           -> closed 2; finished: all 1 rounds done
        """,
        rounds=1,
    )


def test_a_closing_round_to_which_nobody_comes_still_finishes() -> None:
    shows(
        CLOSING
        + """
        at 102 tick
        at 103 tick    -> finished: all 1 rounds done; no client came back
        """,
        rounds=1,
    )


def test_a_restart_gives_the_round_its_whole_time_again() -> None:
    opened = fact.Opened(at=10.0, round=1, participants=("a",), seconds=30)
    state = evolve(FederationState(), opened)
    later = evolve(state, fact.Restarted(at=1000.0))
    assert (later.since, later.deadline) == (1000.0, 1030.0)
    paused = evolve(evolve(state, fact.Paused(at=20.0)), fact.Restarted(at=1000.0))
    assert evolve(paused, fact.Resumed(at=1005.0)).deadline == 40.0 + 985.0


def test_a_client_has_the_architecture_of_its_last_model_apart_from_its_group() -> None:
    def sent(number: int, architecture: str | None) -> fact.UplinkAccepted:
        return fact.UplinkAccepted(at=1, round=number, client="a", digest="", metrics={}, architecture=architecture)

    state = evolve(FederationState(), sent(1, "mlp"))
    assert dict(evolve(state, sent(2, None)).architectures) == {"a": "mlp"}  # predictions alone: as before
    assert dict(evolve(state, sent(2, "cnn")).architectures) == {"a": "cnn"}
    moved = evolve(state, fact.Aggregated(at=2, round=1, digest="", moves={"a": "near"}))
    assert (dict(moved.groups), dict(moved.architectures)) == ({"a": "near"}, {"a": "mlp"})
