"""Who counts as present, against a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from limbeck_server.round.presence import Presence


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_is_present_for_the_grace_after_its_last_sign() -> None:
    clock = Clock()
    presence = Presence(10, clock)
    presence.saw("a")
    clock.now += 10
    assert presence.present() == {"a"}
    clock.now += 0.1
    assert presence.present() == set()
    assert round(presence.silence("a"), 1) == 10.1


def test_an_open_pull_is_a_sign_of_life_however_long_it_lasts() -> None:
    clock = Clock()
    presence = Presence(10, clock)
    presence.saw("a", +1)
    presence.saw("b")
    clock.now += 3600
    assert presence.present() == {"a"}
    assert presence.silence("a") == 0
    presence.saw("a", -1)
    clock.now += 9
    assert presence.present() == {"a"}
    clock.now += 2
    assert presence.present() == set()


def test_a_client_that_comes_and_goes_is_counted() -> None:
    clock = Clock()
    presence = Presence(10, clock)
    for _ in range(3):
        presence.saw("flapping", +1)
        presence.saw("flapping", -1)
        presence.saw("steady", +1)
        clock.now += 11
    assert presence.returns == {"flapping": 2}


def test_a_stranger_has_been_silent_for_ever() -> None:
    assert Presence(10).silence("x") == float("inf")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["call", "open", "close"]), st.sampled_from([0, 1, 4, 6, 11]))
    )
)
def test_it_says_what_a_plain_count_would(story: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    presence = Presence(10, clock)
    last: dict[str, float] = {}
    pulls: dict[str, int] = {}
    for client, what, pause in story:
        change = {"call": 0, "open": 1, "close": -1}[what]
        if pulls.get(client, 0) + change < 0:
            continue
        pulls[client] = pulls.get(client, 0) + change
        presence.saw(client, change)
        last[client] = clock.now
        clock.now += pause
        expected = {name for name in last if pulls[name] or clock.now - last[name] <= 10}
        assert presence.present() == expected
