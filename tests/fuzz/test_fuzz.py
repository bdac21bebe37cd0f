"""A short run of what `make fuzz` does at length: damaged input is refused by name, or is valid after all."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest
from fuzz.network import barrage
from fuzz.subject import Subject
from fuzz.subjects import MAKERS, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module", params=list(MAKERS))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    made = make(request.param)
    yield made
    made.close()


def test_what_is_not_damaged_is_accepted_or_known(subject: Subject) -> None:
    assert "accepted" in {subject.outcome(seed) for seed in subject.seeds}


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_damaged_input_is_refused_by_name_or_valid(subject: Subject, random: Random) -> None:
    subject.outcome(subject.draw(random))


@given(data=st.binary(max_size=300))
@settings(max_examples=30, deadline=None, database=None)
def test_any_bytes_are_refused_by_name_or_valid(subject: Subject, data: bytes) -> None:
    subject.outcome(data)


def test_damaged_calls_over_the_wire_are_refused_by_name_or_valid() -> None:
    outcomes = asyncio.run(barrage(400, Random(1)))  # noqa: S311 - the same calls each time
    assert outcomes.total() == 400
    assert len(outcomes) > 6
