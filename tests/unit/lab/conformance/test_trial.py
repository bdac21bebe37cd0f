"""A trial's judgement, of a client that does well and of clients that each do one thing wrong."""

from collections.abc import Callable, Iterator

import pytest

from limbeck_lab.conformance.trial import ROUNDS, Situation, Trial


def verdicts(trial: Trial) -> dict[str, str]:
    return {line[8:].partition(":")[0]: line for line in trial.lines()}


class Client:
    """Goes through a federation, and does as the protocol says; a test replaces what it does wrong."""

    def __init__(self) -> None:
        self.trial = Trial()
        self.pulling = True
        self.again: Callable[[int], bytes | None] = lambda number: bytes([number])  # the Push after a failed one
        self.joins = True
        self.closing_parts = 0
        self.later = 0  # rounds that a Pull skips after a disturbance

    def pull(self, after: int) -> None:
        while (situation := self.trial.pulled(after)) is not None:
            if situation is Situation.NEW_EPOCH and self.joins:
                self.trial.joined()
            after += self.later

    def push(self, number: int, digest: bytes, parts: int = 1) -> Iterator[Situation]:
        self.trial.pushed(number, digest, parts, pulling=self.pulling)
        for situation in Situation:
            if self.trial.disturbs(situation, number):
                yield situation

    def work(self) -> Trial:
        self.trial.joined()
        for number in range(1, ROUNDS + 1):
            self.pull(number - 1)
            for situation in list(self.push(number, bytes([number]))):
                if situation is Situation.KILLED and self.joins:
                    self.trial.joined()
                again = self.again(number)
                if situation in {Situation.LOST_RECEIPT, Situation.STORE_FULL, Situation.KILLED} and again is not None:
                    list(self.push(number, again))
        self.pull(ROUNDS)
        list(self.push(ROUNDS + 1, b"", self.closing_parts))
        self.trial.ended(0)
        return self.trial


def test_a_client_that_does_as_the_protocol_says_passes_everything() -> None:
    trial = Client().work()
    assert trial.passed, list(trial.lines())
    assert [line.partition(" ")[0] for line in trial.lines()] == ["passed"] * len(Situation)


def failing(name: str) -> Client:
    client = Client()
    match name:
        case "idle":
            client.later = 1
        case "new epoch":
            client.joins = False
        case "alive":
            client.pulling = False
        case "closing":
            client.closing_parts = 2
    return client


@pytest.mark.parametrize("name", ["idle", "new epoch", "alive", "closing"])
def test_what_a_client_does_wrong_is_named(name: str) -> None:
    trial = failing(name).work()
    assert not trial.passed
    assert verdicts(trial)[name].startswith("FAILED")


def test_another_content_after_a_failure_fails() -> None:
    client = Client()
    client.again = lambda number: bytes([number, 0])
    found = verdicts(client.work())
    for name in ("lost receipt", "store full", "killed"):
        assert found[name].startswith("FAILED")
        assert "found another digest for the same round" in found[name]


def test_a_push_that_is_given_up_fails_at_the_next_one() -> None:
    client = Client()
    client.again = lambda _number: None
    found = verdicts(client.work())
    assert found["store full"].endswith("found a Push for round 3")


def test_a_client_that_ends_early_has_not_come_that_far() -> None:
    trial = Trial()
    assert trial.pulled(0) is Situation.IDLE
    trial.ended(1)
    found = verdicts(trial)
    assert found["idle"].endswith("found nothing")
    assert found["closing"].endswith("the client did not come that far")
    assert found["ended"].endswith("found status 1")
