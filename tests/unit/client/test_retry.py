"""Calls are tried again at growing intervals, until patience runs out."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from limbeck_client import backoff
from limbeck_client.backoff import persist, wait
from limbeck_client.retry import NO_ATTEMPTS, Attempts, is_transient
from limbeck_common.core.errors import (
    BehindError,
    ConflictError,
    LimbeckError,
    StoreFullError,
    UnreachableError,
    UserCodeError,
)

AWAY = UnreachableError("away")


class Clock:
    """A clock that sleeping moves, and that records every sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("limbeck_client.backoff.asyncio.sleep", clock.sleep)
    monkeypatch.setattr("limbeck_client.backoff.time.monotonic", clock.monotonic)
    return clock


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Let the jitter be none, and record the bounds that it was drawn from."""
    drawn: list[tuple[float, float]] = []

    class Exact:
        def uniform(self, low: float, high: float) -> float:
            drawn.append((low, high))
            return 1.0

    monkeypatch.setattr(backoff, "SystemRandom", Exact)
    return drawn


def test_pauses_double_up_to_half_a_minute() -> None:
    attempts, pauses = NO_ATTEMPTS, []
    for number in range(11):
        again = attempts.again(AWAY, 2.0, 3600.0)
        assert again is not None
        attempts = again
        pauses.append(attempts.pause)
        assert attempts == Attempts(AWAY, attempts.pause, 2.0 * (number + 1))
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]


def test_patience_ends_when_all_attempts_took_that_long() -> None:
    first = NO_ATTEMPTS.again(AWAY, 30.0, 60.0)
    assert first is not None
    assert first.again(AWAY, 29.9, 60.0) is not None
    assert first.again(AWAY, 30.0, 60.0) is None
    assert NO_ATTEMPTS.again(AWAY, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (AWAY, True),
        (StoreFullError("full"), True),
        (BehindError("behind"), True),
        (ConflictError("other"), False),
        (UserCodeError("crash"), False),
    ],
)
def test_what_may_pass_is_tried_again_and_what_may_not_is_not(error: LimbeckError, *, transient: bool) -> None:
    assert is_transient(error) is transient
    assert (NO_ATTEMPTS.again(error, 1.0, 60.0) is not None) is transient


def test_the_first_attempt_does_not_wait_and_says_nothing(clock: Clock) -> None:
    with capture_logs() as logs:
        asyncio.run(wait(NO_ATTEMPTS, "a"))
    assert (clock.slept, logs) == ([], [])


def test_a_pause_is_drawn_around_its_length_and_logged(clock: Clock, exact: list[tuple[float, float]]) -> None:
    with capture_logs() as logs:
        asyncio.run(wait(Attempts(AWAY, 1.23456, 9.0), "a"))
    assert clock.slept == [1.23456]
    assert exact == [(0.5, 1.5)]
    assert logs == [{"event": "trying again", "log_level": "warning", "client": "a", "after": "away", "again_in": 1.23}]


def test_pauses_differ_between_clients(clock: Clock) -> None:
    for _ in range(50):
        asyncio.run(wait(Attempts(AWAY, 2.0), "a"))
    assert len(set(clock.slept)) > 1
    assert all(1.0 <= pause <= 3.0 for pause in clock.slept)


def test_a_store_that_is_behind_is_named_with_the_command_for_its_operator(clock: Clock) -> None:
    with capture_logs() as logs:
        asyncio.run(wait(Attempts(BehindError("round 3"), 0.2), "a"))
    assert logs[0]["event"] == (
        "the server's store is older than what this client knows: its operator should run `limbeck-server restore`"
    )
    assert len(clock.slept) == 1


class Call:
    """Fails with each of `failures`, `seconds` after it began; then returns."""

    def __init__(self, clock: Clock, failures: list[LimbeckError], seconds: float = 1.0) -> None:
        self.calls = 0
        self.progress = 0
        self._clock = clock
        self._failures = failures
        self._seconds = seconds

    async def __call__(self) -> str:
        self.calls += 1
        self._clock.now += self._seconds
        if self._failures:
            raise self._failures.pop(0)
        return "done"


@pytest.mark.usefixtures("exact")
def test_a_call_is_repeated_until_it_succeeds(clock: Clock) -> None:
    call = Call(clock, [AWAY, StoreFullError("full"), AWAY])
    assert asyncio.run(persist(call, "a", 60.0)) == "done"
    assert call.calls == 4
    assert clock.slept == [0.2, 0.4, 0.8]


@pytest.mark.usefixtures("exact")
def test_a_permanent_failure_is_not_repeated(clock: Clock) -> None:
    call = Call(clock, [AWAY, ConflictError("other"), AWAY])
    with pytest.raises(ConflictError):
        asyncio.run(persist(call, "a", 60.0))
    assert call.calls == 2


@pytest.mark.usefixtures("exact")
def test_patience_counts_calls_and_pauses(clock: Clock) -> None:
    call = Call(clock, [AWAY] * 100, seconds=4.0)
    with pytest.raises(UnreachableError):
        asyncio.run(persist(call, "a", 12.5))
    assert call.calls == 3  # 4 s, then 0.2 + 4 s, then 0.4 + 4 s: 12.6 in all
    call = Call(clock, [AWAY] * 100, seconds=4.0)
    with pytest.raises(UnreachableError):
        asyncio.run(persist(call, "a", 12.7))
    assert call.calls == 4


def progressing(call: Call, every: int) -> Callable[[], int]:
    return lambda: call.calls // every


@pytest.mark.usefixtures("exact")
def test_progress_gives_patience_and_the_shortest_pause_anew(clock: Clock) -> None:
    call = Call(clock, [AWAY] * 9, seconds=4.0)
    assert asyncio.run(persist(call, "a", 10.0, progressing(call, 1))) == "done"
    assert clock.slept == [0.2] * 9
    call = Call(clock, [AWAY] * 9, seconds=4.0)
    clock.slept.clear()
    assert asyncio.run(persist(call, "a", 10.0, progressing(call, 2))) == "done"
    assert clock.slept == [0.2, 0.2, 0.4] + [0.2, 0.4] * 3
