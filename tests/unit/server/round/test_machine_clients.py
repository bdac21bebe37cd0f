"""The round machine and its people: repeated and foreign uplinks, evictions, pauses, ends; as transcripts."""

import pytest
from support.machine_transcript import shows


def test_the_same_uplink_again_is_a_duplicate_and_another_is_a_conflict() -> None:
    shows("""
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 1 x  -> accepted
        at 3 deliver a 1 x  -> duplicate
        at 4 deliver a 1 y  -> ConflictError: another uplink of a for round 1
        at 5 tick a b
        at 6 deliver b 1 x  -> accepted
        at 6 tick a b       -> closed 1
        at 7 deliver a 1 x  -> duplicate
    """)


def test_uplinks_of_strangers_and_of_rounds_to_come_are_refused() -> None:
    shows("""
        at 1 deliver a 1 x  -> BehindError: the server is in round 0, the client has begun round 1
        at 1 deliver z 1 x  -> MembershipError: z is not a member
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 2 x  -> BehindError: the server is in round 1, the client has begun round 2
        at 2 deliver a 0 x  -> RoundError: an uplink for round 0
    """)


def test_an_evicted_client_is_refused_and_not_waited_for_but_what_it_gave_counts() -> None:
    shows("""
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver a 1 x  -> accepted
        at 3 evict a        -> evicted a
        at 3 evict a
        at 3 evict b        -> evicted b
        at 4 deliver b 1 x  -> MembershipError: b is not a member
        at 4 join b         -> MembershipError: b was evicted
        at 5 deliver c 1 x  -> accepted
        at 5 tick a b c     -> closed 1
    """)


def test_an_evicted_client_that_is_still_there_opens_no_round() -> None:
    shows("""
        at 1 evict b     -> evicted b
        at 2 tick a b
        at 3 tick a b c  -> opened round 1 for a c until 13
    """)


def test_a_revoked_client_is_not_waited_for_and_may_join_again() -> None:
    shows("""
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver a 1 x  -> accepted
        at 3 revoke b       -> revoked b
        at 3 revoke b
        at 3 revoke z
        at 4 deliver b 1 x  -> MembershipError: b is not a member
        at 5 deliver c 1 x  -> accepted
        at 5 tick a b c     -> closed 1
        at 6 aggregated t   -> aggregated 1
        at 6 join b         -> joined b
        at 6 tick a b       -> opened round 2 for a b until 16
        at 7 deliver b 2 x  -> accepted
    """)


def test_a_client_that_declines_the_open_round_is_not_waited_for_in_it() -> None:
    shows("""
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 decline a 1    -> declined a
        at 2 decline a 1
        at 2 decline z 1
        at 3 deliver b 1 x  -> accepted
        at 3 decline b 1
        at 4 deliver c 1 x  -> accepted
        at 4 tick a b c     -> closed 1
        at 4 decline a 1
        at 5 aggregated t   -> aggregated 1
        at 6 tick a b c     -> opened round 2 for a b c until 16
        at 6 decline a 1
        at 7 deliver b 2 x  -> accepted
        at 7 deliver c 2 x  -> accepted
        at 7 tick a b c
        at 8 deliver a 2 x  -> accepted
        at 8 tick a b c     -> closed 2
    """)


def test_an_operator_closes_an_open_round_once_it_has_its_quorum() -> None:
    shows("""
        at 1 close          -> RoundError: no round is open
        at 1 tick a b c     -> opened round 1 for a b c until 11
        at 2 deliver a 1 x  -> accepted
        at 2 close          -> RoundError: round 1 has 1 uplinks
        at 3 deliver b 1 x  -> accepted
        at 3 pause          -> paused
        at 3 close          -> RoundError: the federation is paused
        at 4 resume         -> resumed
        at 4 close          -> closed 1
        at 5 close          -> RoundError: no round is open
        at 5 aggregated t   -> aggregated 1
    """)


def test_an_operator_closes_the_closing_round_whoever_has_come() -> None:
    shows(
        """
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 1 x  -> accepted
        at 2 deliver b 1 x  -> accepted
        at 2 tick a b       -> closed 1
        at 3 aggregated t   -> aggregated 1
        at 3 tick a b       -> opened closing round 2 for a b until 13
        at 4 close          -> closed 2; finished: all 1 rounds done
    """,
        rounds=1,
    )


def test_a_daemon_that_was_away_for_an_hour_gives_everyone_the_whole_time_again() -> None:
    shows("""
        at    1 tick a b c    -> opened round 1 for a b c until 11
        at    2 deliver a 1 x -> accepted
        at 3602 restart       -> restarted
        at 3602 tick a b c
        at 3603 deliver b 1 x -> accepted
        at 3611 tick a b c
        at 3612 tick a b c    -> closed 1
    """)
    shows("""
        at    1 restart  -> restarted
        at 3601 restart  -> restarted
        at 3700 tick a
        at 3701 tick a   -> failed: 1 of at least 2 clients present after 100 s in the lobby
    """)


def test_a_pause_moves_the_deadline_and_uplinks_are_taken_meanwhile() -> None:
    shows("""
        at  1 tick a b c    -> opened round 1 for a b c until 11
        at  2 pause         -> paused
        at  3 pause
        at  4 deliver a 1 x -> accepted
        at  5 deliver b 1 x -> accepted
        at 50 tick a b
        at 52 resume        -> resumed
        at 53 resume
        at 60 tick a b c
        at 61 tick a b c    -> closed 1
    """)


def test_a_pause_stops_the_clock_of_the_lobby() -> None:
    shows("""
        at   1 pause   -> paused
        at 101 resume  -> resumed
        at 199 tick a
        at 200 tick a  -> failed: 1 of at least 2 clients present after 100 s in the lobby
    """)


def test_a_pause_that_began_in_the_phase_before_gives_this_phase_no_more_than_its_own_time() -> None:
    shows("""
        at   1 tick a b       -> opened round 1 for a b until 11
        at   2 deliver a 1 x  -> accepted
        at   2 deliver b 1 x  -> accepted
        at   2 tick a b       -> closed 1
        at   3 pause          -> paused
        at  50 aggregated t   -> aggregated 1
        at  60 resume         -> resumed
        at 159 tick a
        at 160 tick a         -> failed: 1 of at least 2 clients present after 100 s in the lobby
    """)


@pytest.mark.parametrize("deed", ["stop", "fail"])
def test_an_end_is_final_even_while_paused_or_aggregating(deed: str) -> None:
    said = {"stop": "stopped", "fail": "failed"}[deed]
    shows(f"""
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 1 x  -> accepted
        at 2 deliver b 1 x  -> accepted
        at 2 tick a b       -> closed 1
        at 3 pause          -> paused
        at 4 {deed} tired   -> {said}: tired
        at 5 {deed} again
        at 5 resume
        at 6 aggregated t
        at 7 tick a b
        at 8 deliver a 1 x  -> duplicate
    """)
