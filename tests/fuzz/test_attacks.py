"""What once got through, each a file of tests/attacks: refused by name, every time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.subject import Subject
from fuzz.subjects import MAKERS, make

ATTACKS = Path(__file__).parents[1] / "attacks"
FILES = sorted(path for path in ATTACKS.iterdir() if "--" in path.name)


@pytest.fixture(scope="module", params=sorted({path.name.partition("--")[0] for path in FILES}))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    made = make(request.param)
    yield made
    made.close()


def test_no_attack_gets_through_again(subject: Subject) -> None:
    outcomes = {
        path.name: subject.outcome(path.read_bytes()) for path in FILES if path.name.startswith(f"{subject.name}--")
    }
    assert outcomes
    assert all(outcome.startswith("refused ") for outcome in outcomes.values()), outcomes


def test_every_attack_is_for_a_subject_that_there_is() -> None:
    assert {path.name.partition("--")[0] for path in FILES} <= set(MAKERS)
