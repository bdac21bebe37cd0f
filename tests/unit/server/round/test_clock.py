"""The clock that decides waits: whatever happens to the machine's clock, it goes on by the seconds that pass."""

import time

import pytest

from limbeck_server.round.clock import SteadyClock


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_setting_the_machines_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    clock = SteadyClock()
    before = clock()
    assert abs(before - time.time()) < 5
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() + jump)
    assert 0 <= clock() - before < 5


def test_it_counts_the_monotonic_seconds_from_the_wall_clocks_start() -> None:
    monotonic = iter([50.0, 50.0, 53.5])
    clock = SteadyClock(wall=lambda: 1000.0, monotonic=lambda: next(monotonic))
    assert [clock(), clock()] == [1000.0, 1003.5]
