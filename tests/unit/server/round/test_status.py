"""Every way in which a client or the federation can be kept waiting has a name, and a time at which the wait ends."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest

from limbeck_common.core.messages import Receipt
from limbeck_server import events as fact
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.state import FederationState, evolve
from limbeck_server.round.status import Wait, client_status, describe_wait

MACHINE = Machine(rounds=2, seed=0, lobby=Bounds(3, 4, 5, 100), round=Bounds(2, 3, 0, 30))
EVERYONE = frozenset("abc")
FOUNDED = [fact.Founded(at=1000, federation_id="f"), *(fact.ClientJoined(at=1000, client=name) for name in "abc")]
OPENED = [*FOUNDED, fact.Opened(at=1010, round=1, participants=("a", "b"), seconds=30)]
CLOSED = [
    *OPENED,
    *(fact.UplinkAccepted(at=1020, round=1, client="a", digest="x", metrics={}),),
    fact.Closed(at=1040, round=1),
]
AGGREGATED = [*CLOSED, fact.Aggregated(at=1041, round=1, digest="t")]


def after(facts: list[fact.Fact]) -> FederationState:
    return reduce(evolve, facts, FederationState())


def stands(facts: list[fact.Fact], present: frozenset[str] = EVERYONE) -> str:
    state = after(facts)
    return " ".join(client_status(state, name, present=name in present) for name in "abc")


@pytest.mark.parametrize(
    ("facts", "present", "said"),
    [
        (FOUNDED, "abc", "waiting waiting waiting"),
        (FOUNDED, "a", "waiting away away"),
        (OPENED, "abc", "working working waiting"),
        (OPENED, "b", "away working away"),
        (CLOSED, "abc", "delivered overdue waiting"),
        (CLOSED, "", "delivered away away"),
        ([*CLOSED, fact.UplinkLate(at=1042, round=1, client="b")], "abc", "delivered late waiting"),
        ([*OPENED, fact.Evicted(at=1011, client="a")], "bc", "evicted working waiting"),
        ([*OPENED, fact.Revoked(at=1011, client="b")], "abc", "working revoked waiting"),
        ([*OPENED, fact.FederationEnded(at=1011, state="stopped", reason="x")], "ab", "waiting waiting away"),
    ],
)
def test_every_standing_of_a_client(facts: list[fact.Fact], present: str, said: str) -> None:
    assert stands(facts, frozenset(present)) == said


def test_late_for_an_earlier_round_is_no_standing_in_this_one() -> None:
    late = [*AGGREGATED, fact.UplinkLate(at=1042, round=1, client="b")]
    opened = fact.Opened(at=1043, round=2, participants=("a", "b"), seconds=30)
    assert stands([*late, opened]) == "working working waiting"


@pytest.mark.parametrize(
    ("facts", "present", "wait"),
    [
        (FOUNDED, "ab", Wait("clients for round 1: 2 of at least 3 present", 1100, "the federation fails")),
        (FOUNDED, "abc", Wait("more clients than the 3 present", 1005, "round 1 opens")),
        (
            OPENED,
            "b",
            Wait(
                "uplinks of round 1: 0 have come, 2 are needed, 2 may come (1 from clients that are away)",
                1040,
                "the deadline is put off",
            ),
        ),
        (
            [*OPENED, fact.Extended(at=1040, seconds=30)],
            "ab",
            Wait("uplinks of round 1: 0 have come, 2 are needed, 2 may come", 1070, "the federation fails"),
        ),
        (
            [*OPENED, fact.Declined(at=1011, round=1, client="b")],
            "ab",
            Wait(
                "uplinks of round 1: 0 have come, 2 are needed, 1 may come; declined by b",
                1040,
                "the deadline is put off",
            ),
        ),
        (CLOSED, "ab", Wait("the aggregate of round 1")),
        (AGGREGATED, "a", Wait("clients for round 2: 1 of at least 2 present", 1141, "the federation fails")),
        ([*OPENED, fact.Paused(at=1011)], "ab", Wait("an operator to resume")),
        ([*OPENED, fact.FederationEnded(at=1011, state="failed", reason="x")], "ab", Wait("")),
    ],
)
def test_what_the_federation_waits_for_and_until_when(facts: list[fact.Fact], present: str, wait: Wait) -> None:
    assert describe_wait(MACHINE, after(facts), frozenset(present)) == wait


def test_with_its_quorum_a_round_only_waits_for_stragglers() -> None:
    machine = Machine(rounds=1, seed=0, lobby=Bounds(1, 2, 0, 100), round=Bounds(1, 3, 0, 30))
    state = after(CLOSED[:-1])
    wait = describe_wait(machine, state, EVERYONE)
    assert wait == Wait("uplinks of round 1: 1 have come, 1 are needed, 1 may come", 1040, "the round closes")


def test_the_closing_round_is_called_so() -> None:
    machine = Machine(rounds=1, seed=0, lobby=Bounds(1, 2, 0, 100), round=Bounds(1, 3, 0, 30))
    nobody = describe_wait(machine, after(AGGREGATED), frozenset())
    assert nobody == Wait(
        "clients for the closing round: 0 of at least 1 present", 1141, "the federation finishes without it"
    )
    opened = fact.Opened(at=1043, round=2, participants=("a",), seconds=30, closing=True)
    wait = describe_wait(machine, after([*AGGREGATED, opened]), EVERYONE)
    assert wait == Wait("uplinks of the closing round: 0 have come, 0 are needed, 1 may come", 1073, "the round closes")


def test_what_is_announced_for_the_end_of_a_wait_is_what_happens() -> None:
    """Each `then` against the machine itself, at the moment it names."""
    happens: dict[str, Callable[[Any], bool]] = {
        "the federation fails": lambda first: isinstance(first, fact.FederationEnded) and first.state == "failed",
        "the federation finishes without it": lambda first: (
            isinstance(first, fact.FederationEnded) and first.state == "finished"
        ),
        "the deadline is put off": lambda first: isinstance(first, fact.Extended),
        "the round closes": lambda first: isinstance(first, fact.Closed),
        "round 1 opens": lambda first: isinstance(first, fact.Opened),
    }
    checked = set()
    for rounds in (1, 2):
        machine = Machine(rounds=rounds, seed=0, lobby=Bounds(3, 4, 5, 100), round=Bounds(2, 3, 0, 30))
        for facts in (FOUNDED, OPENED, [*OPENED, fact.Extended(at=1040, seconds=30)], AGGREGATED, _kept(OPENED)):
            for present in (frozenset[str](), EVERYONE):
                state = after(facts)
                wait = describe_wait(machine, state, present)
                if not wait.until or machine.tick(state, Attendance.of(state, present), wait.until - 0.001):
                    continue  # a wait that is over
                first = machine.tick(state, Attendance.of(state, present), wait.until)[0]
                assert happens[wait.then](first), (wait, first)
                checked.add(wait.then)
    assert checked == set(happens)


def _kept(facts: list[fact.Fact]) -> list[fact.Fact]:
    """Both participants deliver in a round of three asked, so that the quorum is there and one is missing."""
    opened = fact.Opened(at=1010, round=1, participants=("a", "b", "c"), seconds=30)
    kept = [fact.UplinkAccepted(at=1011, round=1, client=name, digest="x", metrics={}) for name in "ab"]
    return [*facts[:-1], opened, *kept]


def test_a_late_uplink_is_noted_once() -> None:
    state = after(AGGREGATED)
    uplink = fact.UplinkAccepted(at=1050, round=1, client="b", digest="x", metrics={})
    receipt, facts = MACHINE.deliver(state, uplink)
    assert (receipt, facts) == (Receipt.LATE, [fact.UplinkLate(at=1050, round=1, client="b")])
    assert MACHINE.deliver(reduce(evolve, facts, state), uplink) == (Receipt.LATE, [])
