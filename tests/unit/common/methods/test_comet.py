"""COMET's clusters and their averages, against numbers worked out by hand."""

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import only

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.messages import ALL, group
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.comet import COMET, squared_distances
from limbeck_common.methods.math.kmeans import kmeans
from limbeck_common.methods.method import downlink
from limbeck_common.methods.server_round import Recipient

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=2)


def uplink(*first: float) -> Block:
    """The probability of the first of two classes, for each of two rows."""
    return soft_labels(Rows(np.arange(2)), np.array([[each, 1 - each] for each in first], np.float32))


UPLINKS = {"a": uplink(1, 1), "b": uplink(0, 0.25), "c": uplink(0.75, 1), "d": uplink(0, 0)}


def line(*points: float) -> list[list[float]]:
    """Squared distances of points on a line."""
    return [[(a - b) ** 2 for b in points] for a in points]


def test_distances_are_summed_over_rows_and_classes() -> None:
    found = squared_distances(aggregated(COMET(), history(SPEC), UPLINKS).round)
    # a to c: 2 * 0.25^2 on the first row. b to d: the same on the second. a to d: 2 on each.
    assert (found[0, 2], found[1, 3], found[0, 3]) == (0.125, 0.125, 4)
    assert found.tolist() == found.T.tolist()
    assert found.diagonal().tolist() == [0] * 4


@pytest.mark.parametrize(
    ("points", "clusters", "expected"),
    [
        ((0, 10, 1, 11), 2, [0, 1, 0, 1]),
        ((5, 5, 5), 2, [0, 0, 0]),
        ((0, 1), 3, [0, 1]),
        ((0, 1, 2), 1, [0, 0, 0]),
        # Starts from 0 and 10; 5.5 joins 10, then 4.5, between means 0 and 7.75, joins 0, and there it stays.
        ((0, 10, 5.5, 4.5), 2, [0, 1, 1, 0]),
        # Starts from 0 and 9: 4 joins 0, whose mean becomes 2; 4.5 joins 0 too, and 5 goes on being nearer to 7.
        ((0, 9, 4, 5), 2, [0, 1, 0, 1]),
    ],
)
def test_kmeans_puts_each_point_to_the_nearest_mean(
    points: tuple[float, ...], clusters: int, expected: list[int]
) -> None:
    assert kmeans(np.array(line(*points)), clusters) == expected


def test_each_cluster_gets_its_average_and_newcomers_that_of_all() -> None:
    aggregate = aggregated(COMET(clusters=2), history(SPEC), UPLINKS).aggregate()
    assert dict(aggregate.moves) == {"a": "1.0", "b": "1.1", "c": "1.0", "d": "1.1"}
    firsts = {audience: only(parts).array[:, 0].tolist() for audience, parts in aggregate.blocks.items()}
    assert firsts == {ALL: [0.4375, 0.5625], group("1.0"): [0.875, 1], group("1.1"): [0, 0.125]}


def test_who_was_away_is_not_taken_for_a_member_of_a_later_cluster() -> None:
    method, stands = COMET(clusters=2), history(SPEC)
    groups = dict(aggregated(method, stands, UPLINKS).aggregate().moves)
    without_a = {name: block for name, block in UPLINKS.items() if name != "a"}
    later = aggregated(method, stands, without_a, number=2).aggregate()
    assert group(groups["a"]) not in later.blocks


def test_a_client_of_a_cluster_that_no_longer_exists_gets_the_average_of_all() -> None:
    stands = history(SPEC, round_1={"labels": UPLINKS["a"]})
    assert downlink(COMET(), stands, Recipient(2, "2", learned=1)) == {"labels": UPLINKS["a"]}
    assert downlink(COMET(), stands, Recipient(1)) is None


def test_the_aggregate_does_not_depend_on_the_order_of_arrival() -> None:
    there, back = (
        aggregated(COMET(clusters=2), history(SPEC), dict(order)).aggregate()
        for order in (UPLINKS.items(), reversed(UPLINKS.items()))
    )
    assert there.moves == back.moves
    assert [only(parts).array[:].tobytes() for parts in there.blocks.values()] == [
        only(parts).array[:].tobytes() for parts in back.blocks.values()
    ]
