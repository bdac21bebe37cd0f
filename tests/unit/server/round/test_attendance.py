from functools import reduce

from limbeck_server import events as fact
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.state import FederationState, evolve

FACTS = [
    fact.Founded(at=0, federation_id="f"),
    *[fact.ClientJoined(at=0, client=name) for name in "abc"],
    fact.Opened(at=1, round=1, participants=("a", "b"), seconds=9),
]


def test_strangers_are_neither_present_nor_awaited() -> None:
    state = reduce(evolve, FACTS, FederationState())
    assert Attendance.of(state, {"a", "c", "stranger"}) == Attendance({"a", "c"}, {"a"})


def test_one_client_at_a_time() -> None:
    state = reduce(evolve, FACTS, FederationState())
    attendance = Attendance.of(state, {"a"})
    attendance.update(state, "b", present=True)
    assert attendance == Attendance({"a", "b"}, {"a", "b"})
    state = evolve(state, fact.UplinkAccepted(at=2, round=1, client="b", digest="", metrics={}))
    attendance.update(state, "b", present=True)
    assert attendance == Attendance({"a", "b"}, {"a"})
    attendance.update(state, "a", present=False)
    assert attendance == Attendance({"b"}, set())
