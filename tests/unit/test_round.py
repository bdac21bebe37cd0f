"""The round machine, as transcripts: `at SECONDS EVENT -> what follows`, nothing where nothing follows.

`tick a b` means that time has passed and that a and b are present. Members a, b and c have joined at 0.
"""

from functools import reduce
from typing import Any

import pytest

from limbeck_common.errors import RefusalError
from limbeck_server import facts as fact
from limbeck_server.round import Bounds, Machine, State, evolve

Rules = dict[str, Any]


def shows(transcript: str, **rules: Any) -> None:
    """Play a transcript's events and require that just what it says follows; and that a replay ends alike.

    The rules, unless it says otherwise: two rounds of ten seconds, with a quorum of two.
    """
    usual: Rules = {"rounds": 2, "seed": 7, "lobby": Bounds(2, 9, 0, 100), "round": Bounds(2, 9, 0, 10)}
    machine = Machine(**usual | rules)
    written = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
    played = []
    journal: list[fact.Fact] = [fact.Founded(at=0, federation_id="f")]
    journal += [fact.Joined(at=0, client=name) for name in "abc"]
    state = reduce(evolve, journal, State())
    for line in written:
        event = line.partition(" -> ")[0]
        _, at, *words = event.split()
        try:
            told, facts = _happen(machine, state, words, float(at))
        except RefusalError as error:
            told, facts = f"{type(error).__name__}: {error.wrong}", []
        state = reduce(evolve, facts, state)
        journal += facts
        played.append(f"{event} -> {told}" if told else event)
    assert played == written
    assert reduce(evolve, (fact.from_json(fact.to_json(each)) for each in journal), State()) == state


def _happen(machine: Machine, state: State, words: list[str], at: float) -> tuple[str, list[fact.Fact]]:
    match words:
        case ["tick", *present]:
            facts: list[fact.Fact] = []
            while more := machine.tick(reduce(evolve, facts, state), frozenset(present), at):
                facts += more
            return "; ".join(map(_tell, facts)), facts
        case ["deliver", client, number, digest]:
            kept = fact.Kept(at=at, round=int(number), client=client, digest=digest, figures={"loss": 0.5})
            return machine.deliver(state, kept)
        case ["taught", digest]:
            lesson = fact.Taught(at=at, round=state.round, digest=digest)
            facts = machine.taught(state, lesson)
            return "; ".join(map(_tell, facts)), facts
        case [deed, *arguments]:
            facts = getattr(machine, deed)(state, *arguments, at)
            return "; ".join(map(_tell, facts)), facts
    raise AssertionError(words)


def _tell(each: fact.Fact) -> str:
    match each:
        case fact.Opened():
            what = "closing round" if each.closing else "round"
            return f"opened {what} {each.round} for {' '.join(each.participants)} until {each.deadline:g}"
        case fact.Ended():
            return f"{each.state}: {each.reason}"
        case fact.Extended():
            return f"extended until {each.deadline:g}"
        case fact.Closed() | fact.Taught():
            return f"{each.kind} {each.round}"
        case fact.Joined() | fact.Evicted() | fact.Revoked():
            return f"{each.kind} {each.client}"
    return each.kind


def test_a_federation_from_its_lobby_to_its_end() -> None:
    shows("""
        at  1 tick a
        at  2 tick a b         -> opened round 1 for a b until 12
        at  3 deliver b 1 x    -> accepted
        at  3 tick a b
        at  4 deliver a 1 y    -> accepted
        at  4 tick a b         -> closed 1
        at  5 tick a b
        at  6 taught t1        -> taught 1
        at  6 tick a b c       -> opened round 2 for a b c until 16
        at  7 deliver a 2 x    -> accepted
        at  7 deliver b 2 x    -> accepted
        at  8 deliver c 2 x    -> accepted
        at  8 tick a b c       -> closed 2
        at  9 taught t2        -> taught 2
        at  9 tick a           -> opened closing round 3 for a until 19
        at 10 deliver a 3 none -> accepted
        at 10 tick a           -> closed 3; finished: all 2 rounds done
        at 11 tick a
        at 12 join d
        at 12 evict a
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
        at 13 taught t       -> taught 1
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


def test_an_extension_gives_time_for_the_quorum_and_each_round_has_its_own() -> None:
    shows("""
        at  1 tick a b      -> opened round 1 for a b until 11
        at 11 tick          -> extended until 21
        at 12 deliver a 1 x -> accepted
        at 13 deliver b 1 x -> accepted
        at 13 tick a b      -> closed 1
        at 14 taught t      -> taught 1
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
        at 3 taught t       -> taught 1
        at 3 tick a b c     -> opened round 2 for a b until 13
        """,
        sample_ratio=0.5,
        seed=1,
    )


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
        at 1 deliver a 1 x  -> RoundError: an uplink for round 1
        at 1 deliver z 1 x  -> MembershipError: z is not a member
        at 1 tick a b       -> opened round 1 for a b until 11
        at 2 deliver a 2 x  -> RoundError: an uplink for round 2
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
        at 6 taught t       -> taught 1
        at 6 join b         -> joined b
        at 6 tick a b       -> opened round 2 for a b until 16
        at 7 deliver b 2 x  -> accepted
    """)


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
        at  50 taught t       -> taught 1
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
        at 6 taught t
        at 7 tick a b
        at 8 deliver a 1 x  -> duplicate
    """)


CLOSING = """
    at 1 tick a b       -> opened round 1 for a b until 11
    at 2 deliver a 1 x  -> accepted
    at 2 deliver b 1 x  -> accepted
    at 2 tick a b       -> closed 1
    at 3 taught t       -> taught 1
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
    opened = fact.Opened(at=10.0, round=1, participants=("a",), deadline=40.0)
    state = evolve(State(), opened)
    later = evolve(state, fact.Restarted(at=1000.0))
    assert (later.since, later.deadline) == (1000.0, 1030.0)
    paused = evolve(evolve(state, fact.Paused(at=20.0)), fact.Restarted(at=1000.0))
    assert evolve(paused, fact.Resumed(at=1005.0)).deadline == 40.0 + 985.0
