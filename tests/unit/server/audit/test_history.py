"""The journal as an audit reads it, from a reader that is no database."""

import hashlib
from collections.abc import Iterator

import pytest

from limbeck_common.core.blocks import Block
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_server import events as fact
from limbeck_server.audit.audit import audit
from limbeck_server.audit.history import RoundHistory, read_history
from limbeck_server.storage.protocols import Checkpoint, DamageError, PartsKey

SPEC = Spec(
    rounds=2,
    output=Output(width=3),
    sample_shape=(4,),
    sample_dtype="|u1",
    open_rows=16,
    method=MethodSpec(name="dsfl"),
).model_dump_json()
FACTS = [
    fact.Founded(at=1, federation_id="f", spec=hashlib.sha256(SPEC.encode()).hexdigest()),
    fact.Opened(at=2, round=1, participants=("a", "b"), seconds=9),
    fact.UplinkAccepted(at=3, round=1, client="a", digest="aa", metrics={}),
    fact.UplinkAccepted(at=3, round=1, client="b", digest="bb", metrics={}, architecture="cnn"),
    fact.Aggregated(at=4, round=1, digest="cc", digests={"all": "c1", "group:cnn": "c2"}),
    fact.UplinksDeleted(at=5, round=1),
    fact.Opened(at=6, round=2, participants=("a",), seconds=9, closing=True),
    fact.Restored(at=7, epoch=2),
]


class Recorded:
    """A journal in a list, without blocks."""

    def __init__(self, facts: list[fact.Fact], spec: str = SPEC) -> None:
        self.rows: list[tuple[int, str, str]] = []
        self.spec = spec
        self.torn = False
        head = ""
        for number, each in enumerate(facts, start=1):
            line = fact.to_json(each)
            head = fact.link(head, line)
            self.rows.append((number, line, head))

    def faults(self) -> list[str]:
        return []

    def checkpoint(self) -> Checkpoint | None:
        return None

    def note(self, name: str) -> str:
        if self.torn:
            raise DamageError("page 7 is torn")
        return self.spec if name == "spec" else ""

    def facts(self) -> Iterator[tuple[int, str, str]]:
        for count, row in enumerate(self.rows):
            if self.torn and count == 3:
                raise DamageError("page 7 is torn")
            yield row

    def keys(self) -> set[PartsKey]:
        if self.torn:
            raise DamageError("page 7 is torn")
        return {PartsKey(2, "d")}

    def block(self, key: PartsKey, open_rows: int, digest: str) -> Block:
        raise DamageError(f"{key}, {open_rows}, {digest}")

    def close(self) -> None:
        """Nothing is held."""


def test_facts_say_what_must_be_stored() -> None:
    reader = Recorded(FACTS)
    history = read_history(reader)
    assert history.damage == []
    assert (history.length, history.head, history.deleted) == (len(FACTS), reader.rows[-1][2], 1)
    assert history.spec == Spec.model_validate_json(SPEC)
    assert history.rounds == {
        1: RoundHistory({"a": "aa", "b": "bb"}, {"a": "", "b": "cnn"}, {"all": "c1", "group:cnn": "c2"}),
        2: RoundHistory(closing=True),
    }


@pytest.mark.parametrize("place", range(len(FACTS)))
def test_a_head_noted_earlier_is_found_wherever_the_chain_had_it(place: int) -> None:
    reader = Recorded(FACTS)
    assert read_history(reader, reader.rows[place][2]).damage == []
    del reader.rows[place:]
    noted = Recorded(FACTS).rows[place][2]
    assert f"the head {noted} that was noted is not in the chain" in read_history(reader, noted).damage


def test_a_changed_fact_is_named_once_and_still_counts() -> None:
    reader = Recorded(FACTS)
    number, line, chain = reader.rows[2]
    reader.rows[2] = (number, line.replace('"aa"', '"ab"'), chain)
    history = read_history(reader)
    assert history.damage == ["fact 3 is not what was written there: uplink_accepted, round 1, client a"]
    assert history.rounds[1].uplinks["a"] == "ab"


def test_a_fact_that_is_gone_is_named_by_the_one_behind_it() -> None:
    reader = Recorded(FACTS)
    del reader.rows[1]
    (first, *_) = read_history(reader).damage
    assert first == "fact 3 is not what was written there: uplink_accepted, round 1, client a"


def test_what_cannot_be_read_ends_the_facts_and_is_named() -> None:
    reader = Recorded(FACTS)
    reader.torn = True
    history = read_history(reader)
    assert history.length == 3
    assert history.damage == [
        "the facts end after number 3: page 7 is torn",
        "the note 'spec' cannot be read, so no round can be checked: page 7 is torn",
    ]
    assert [verdict.text for verdict in audit(reader)] == [
        "database: sound",
        f"journal: 3 facts, DAMAGED, head {reader.rows[2][2]}",
    ]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        (SPEC.replace("dsfl", "dsfm"), "the note 'spec' is not what the first fact names"),
        ("", "the note 'spec' cannot be read, so no round can be checked: 1 validation error for Spec"),
    ],
)
def test_a_specification_that_is_not_the_journals_is_named(spec: str, wrong: str) -> None:
    assert any(each.startswith(wrong) for each in read_history(Recorded(FACTS, spec)).damage)


def test_an_audit_needs_a_reader_and_no_database() -> None:
    verdicts = list(audit(Recorded(FACTS)))
    assert [verdict.text for verdict in verdicts[2:]] == [
        "round 1: DAMAGED",
        "round 2: 0 uplinks sound",
        "blocks: DAMAGED",
    ]
    assert verdicts[2].damage == (
        "aggregate of round 1 for all is missing",
        "aggregate of round 1 for group:cnn is missing",
    )
    assert verdicts[4].damage == ("uplink of d for round 2 is stored, but no fact names it",)
