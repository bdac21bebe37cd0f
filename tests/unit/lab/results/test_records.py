"""What follows from a run's records."""

import pytest

from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.results.records import ClientSummary, Results, RoundRecord, Summary, mean, natural_order


def closed(number: int, up: int, down: int, **accuracies: float | None) -> RoundRecord:
    return RoundRecord(
        round=number,
        seconds=1,
        uplinks=len(accuracies),
        participants=len(accuracies),
        bytes_up=up,
        bytes_down=down,
        clients={name: {"accuracy": value} for name, value in accuracies.items()},
    )


def ended(*clients: ClientSummary) -> Summary:
    return Summary(state="finished", seconds=1, clients=clients, bytes_counted="as encoded")


def test_names_sort_as_people_count() -> None:
    names = ["client-10", "client-2", "b", "client-2x", "7"]
    assert sorted(names, key=natural_order) == ["7", "b", "client-2", "client-2x", "client-10"]


@pytest.mark.parametrize(
    ("values", "expected"), [([], None), ([None], None), ([0.5, None, 1.0], 0.75), ([0.25, 0.75], 0.5)]
)
def test_a_mean_is_over_the_values_that_were_measured(values: list[float | None], expected: float | None) -> None:
    assert mean(values) == expected


def test_byte_counts_add_and_subtract_each_direction() -> None:
    assert ByteCount(5, 7) + ByteCount(1, 2) == ByteCount(6, 9)
    assert ByteCount(5, 7) - ByteCount(1, 2) == ByteCount(4, 5)
    assert ByteCount(5, 7).total == 12


def test_mean_accuracies_skip_rounds_without_any() -> None:
    results = Results((closed(1, 0, 0, a=0.5, b=1.0), closed(2, 0, 0, a=None), closed(3, 0, 0, a=0.5, b=None)))
    assert results.mean_accuracies == {1: 0.75, 3: 0.5}


def test_carried_bytes_are_the_summarys_or_else_those_of_the_rounds() -> None:
    rounds = (closed(1, 10, 20), closed(2, 30, 40))
    whole = ClientSummary(name="a", model="cnn", bytes_up=100, bytes_down=200)
    assert Results(rounds).carried == ByteCount(40, 60)
    assert Results(rounds, summary=ended(whole)).carried == ByteCount(100, 200)
    partial = ended(whole, ClientSummary(name="b", model="cnn", bytes_up=1))
    assert Results(rounds, summary=partial).carried == ByteCount(40, 60)


def test_a_gain_needs_both_accuracies() -> None:
    assert ClientSummary(name="a", model="cnn", alone=0.5, federated=0.75).gain == 0.25
    assert ClientSummary(name="a", model="cnn", alone=0.5).gain is None
    assert ClientSummary(name="a", model="cnn", federated=0.5).gain is None
