"""Selective-FD's two selectors, against numbers worked out by hand, and what becomes of rows that nobody answers."""

from math import exp

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.math.kulsif import density_ratio, gaussian
from limbeck_common.methods.selective_fd import SelectiveFD, apart, standardised
from limbeck_common.wire.named_parts import read_named, write_named

SPEC = Spec(output=Output(width=3), sample_shape=(1,), sample_dtype="<f4", open_rows=4)
ALL = Rows(np.arange(4))


def test_one_row_of_each_density_gives_the_ratio_that_the_equation_gives() -> None:
    # m = n = 1, k = exp(-d^2 / 2): (1 + lambda) a = -k(x, y) / lambda, and w(z) = a k(z, x) + k(z, y) / lambda.
    numerator, denominator, at = np.array([[0.0]]), np.array([[1.0]]), np.array([[0.0], [2.0]])
    a = -exp(-0.5) / 0.25 / 1.25
    expected = [a * exp(-0.5) + 1 / 0.25, a * exp(-0.5) + exp(-2) / 0.25]
    assert density_ratio(numerator, denominator, 1.0, 0.25)(at).tolist() == pytest.approx(expected, rel=1e-12)


def test_kernels_fall_with_distance_over_width() -> None:
    assert gaussian(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]]), 5.0).tolist() == [
        [pytest.approx(exp(-0.5)), 1.0]
    ]


def test_the_ratio_estimates_one_density_over_the_other() -> None:
    random = np.random.default_rng(0)
    ratio = density_ratio(random.normal(0, 1, (500, 1)), random.normal(0, 2, (500, 1)), 0.5, 1e-3)
    # N(0, 1) over N(0, 2): 2 exp(-3 z^2 / 8).
    at = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert ratio(at).tolist() == pytest.approx((2 * np.exp(-3 * at[:, 0] ** 2 / 8)).tolist(), abs=0.35)


def test_features_are_in_standard_deviations_and_distances_a_pixel() -> None:
    # The open set's mean is 2 and its standard deviation 2; of two pixels, a distance is over the root of 2.
    rows = standardised(np.array([[0, 4], [4, 4]], np.uint8), np.array([[0, 4], [4, 0]], np.uint8))
    assert np.linalg.norm(rows[0] - rows[1]) == pytest.approx(2 / 2**0.5)


def test_a_client_answers_for_rows_like_its_own_alone_and_remembers_which() -> None:
    near, far = np.linspace(0, 1, 40), np.linspace(8, 9, 40)
    open_rows = np.concatenate([near, far])[:, None].astype(np.float32)
    spec = SPEC.model_copy(update={"open_rows": 80})
    private = Examples(np.linspace(0.1, 0.9, 30)[:, None].astype(np.float32), np.zeros(30, np.int64))
    participant, learner = recording(spec, np.eye(3)[[0] * 10], open=open_rows, private=private)
    method = SelectiveFD(width=0.1)
    block = update(method, participant, Rows(np.arange(1, 80, 2)), 1)
    assert 10 < len(block.rows) <= 20
    assert block.rows.max() < 40
    participant.data.open[:] = 0  # a second look would find no row unlike its own
    assert update(method, participant, Rows(np.arange(1, 80, 2)), 2).rows.tolist() == block.rows.tolist()
    assert [step for step, _, _ in learner.asked] == ["fit", "fit"]


def test_a_row_is_as_ambiguous_as_it_is_far_from_its_one_hot_label() -> None:
    assert apart(np.array([[1.0, 0, 0], [0.5, 0.25, 0.25]])).tolist() == [0, 1]


def test_the_server_averages_those_that_answered_and_drops_what_is_ambiguous() -> None:
    uplinks = {
        "a": soft_labels(Rows(np.array([0, 1])), np.array([[1, 0, 0], [1, 0, 0]], np.float32)),
        "b": soft_labels(Rows(np.array([1, 3])), np.array([[0, 1, 0], [0, 0.25, 0.75]], np.float32)),
    }
    block = to_all(aggregated(SelectiveFD(), history(SPEC), uplinks).aggregate())
    assert block.rows.tolist() == [0, 3]  # of row 1 two clients say two things, of row 2 nobody anything
    assert block.array[:].tolist() == [[1, 0, 0], [0, 0.25, 0.75]]


def test_rows_that_nobody_knows_make_an_empty_aggregate_that_changes_nothing() -> None:
    nothing = soft_labels(Rows(np.zeros(0, np.int64)), np.zeros((0, 3), np.float32))
    block = to_all(aggregated(SelectiveFD(), history(SPEC), {"a": nothing}).aggregate())
    travelled = read_named(write_named({"all": {"labels": block}}), 4)["all"]["labels"]
    assert travelled.array.shape == (0, 3)
    participant, learner = recording(SPEC, np.eye(3))
    receive(SelectiveFD(), participant, travelled, 1)
    assert learner.asked == []
