"""Every fact survives its line of JSON, and the chain names each line and its place."""

from limbeck_server import events as fact

FACTS = [
    fact.Founded(at=1.5, federation_id="f"),
    fact.ClientJoined(at=2, client="a"),
    fact.Opened(at=3, round=1, participants=("a", "b"), seconds=6.25),
    fact.UplinkAccepted(at=4, round=1, client="a", digest="ab12", metrics={"loss": 0.1}, architecture="cnn"),
    fact.UplinkLate(at=4.5, round=1, client="b"),
    fact.Declined(at=4.7, round=1, client="b"),
    fact.Extended(at=5, seconds=15),
    fact.Closed(at=6, round=1),
    fact.Aggregated(at=7, round=1, digest="cd", digests={"all": "cd"}, moves={"b": "mlp"}),
    fact.DisagreementMeasured(at=7, round=1, metrics={"a": 0.25}),
    fact.Evaluated(at=7, round=1, metrics={"accuracy": 0.5}),
    fact.UplinksDeleted(at=7.5, round=0),
    fact.Paused(at=8),
    fact.Resumed(at=9),
    fact.Restarted(at=9.5),
    fact.Restored(at=9.7, epoch=2),
    fact.Evicted(at=10, client="b"),
    fact.Revoked(at=10.5, client="a"),
    fact.FederationEnded(at=11, state="failed", reason="as it happens"),
]


def test_every_kind_of_fact_survives_its_line_of_json() -> None:
    assert {type(each) for each in FACTS} == set(fact.Fact.__subclasses__())
    for each in FACTS:
        line = fact.to_json(each)
        assert "\n" not in line
        assert fact.from_json(line) == each


def test_the_furthest_client_is_named_only_where_there_are_others_to_compare_it_with() -> None:
    said = [
        str(fact.DisagreementMeasured(at=7, round=1, metrics=metrics))
        for metrics in ({}, {"a": 0.0}, {"a": 0.25, "b": 0.5}, {"a": 0.5, "b": 0.5})
    ]
    assert said == [
        "round 1: too few clients to compare with one another",
        "round 1: too few clients to compare with one another",
        "round 1: b is furthest from the mean, 0.500",
        "round 1: 2 clients are furthest from the mean, 0.500 each",
    ]
