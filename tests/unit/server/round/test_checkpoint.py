from functools import reduce

import pytest

from limbeck_server import events as fact
from limbeck_server.round.checkpoint import Progress, from_text, to_text

FACTS = [
    fact.Founded(at=0, federation_id="f"),
    *[fact.ClientJoined(at=0, client=name) for name in "cab"],
    fact.Opened(at=1, round=1, participants=("a", "b"), seconds=9),
    fact.UplinkAccepted(at=2, round=1, client="b", digest="ab", metrics={}, architecture="cnn"),
    fact.UplinkLate(at=2, round=1, client="c"),
    fact.Evicted(at=2, client="c"),
    fact.Closed(at=3, round=1),
    fact.Aggregated(at=4, round=1, digest="cd", moves={"a": "near"}),
    fact.Evaluated(at=5, round=1, metrics={}),
    fact.Paused(at=6),
]


@pytest.mark.parametrize("count", range(len(FACTS) + 1))
def test_progress_comes_back_from_its_text_and_goes_on(count: int) -> None:
    whole = reduce(Progress.after, FACTS, Progress())
    found = from_text(to_text(reduce(Progress.after, FACTS[:count], Progress())))
    assert found is not None
    assert reduce(Progress.after, FACTS[count:], found) == whole


def test_the_same_progress_has_one_text() -> None:
    joined = [fact.ClientJoined(at=0, client=name) for name in "abc"]
    assert to_text(reduce(Progress.after, joined, Progress())) == to_text(
        reduce(Progress.after, reversed(joined), Progress())
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state":{}}', '{"state":{"phase":"new"},"facts":1}'])
def test_another_versions_text_is_none_of_ours(text: str) -> None:
    assert from_text(text) is None
