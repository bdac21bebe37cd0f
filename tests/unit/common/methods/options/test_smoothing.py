"""An average over rounds, against numbers worked out by hand."""

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import to_all

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.options import smoothing

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
METHOD = DSFL(aggregation="sa", smoothing=0.25, open_per_round=4)


def labels(rows: list[int], *first: float) -> Block:
    return soft_labels(Rows(np.array(rows)), np.array([[each, 1 - each] for each in first], np.float32))


def smoothed(past: Block | None, method: DSFL = METHOD) -> list[float]:
    known = history(SPEC, round_1={"labels": past}) if past is not None else history(SPEC)
    fresh = labels([0, 1, 2, 3], 0.0, 0.2, 0.4, 1.0)
    found = to_all(aggregated(method, known, {"a": fresh}, 2).aggregate())
    assert np.asarray(found.array[:]).sum(axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    return np.asarray(found.array[:])[:, 0].tolist()


def test_rows_that_the_last_aggregate_has_are_averaged_with_it() -> None:
    assert smoothed(labels([1, 3], 1.0, 0.0)) == pytest.approx([0.0, 0.25 + 0.75 * 0.2, 0.4, 0.75], abs=1e-6)


def test_without_an_aggregate_or_a_share_of_it_labels_stay_as_they_are() -> None:
    plain = pytest.approx([0.0, 0.2, 0.4, 1.0], abs=1e-6)
    assert smoothed(None) == plain
    assert smoothed(labels([1], 1.0), DSFL(aggregation="sa", open_per_round=4)) == plain


def test_rows_are_found_through_the_slices_and_an_empty_aggregate_changes_nothing() -> None:
    def of(past: Block) -> list[float]:
        round_two = aggregated(METHOD, history(SPEC, round_1={"labels": past}), {}, 2).round
        fresh = [np.array([[0.0, 1.0]]), np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([[1.0, 0.0]])]
        return [row[0] for part in smoothing.smoothed(round_two, fresh, 0.5) for row in part.tolist()]

    assert of(labels([1, 3], 1.0, 0.0)) == pytest.approx([0.0, 0.6, 0.4, 0.5])
    assert of(labels([])) == pytest.approx([0.0, 0.2, 0.4, 1.0])
