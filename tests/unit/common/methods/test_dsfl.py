"""DS-FL's arithmetic, against numbers worked out by hand."""

from collections.abc import Iterable
from math import exp
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import aggregated, history
from support.method_rounds import planned as asked
from support.method_rounds import receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.arrays.tensors import SLICE_BYTES
from limbeck_common.core.blocks import Rows, Space, soft_labels
from limbeck_common.core.errors import MethodError
from limbeck_common.core.form import Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.dsfl import DSFL, eera, era
from limbeck_common.methods.registry import make_method

SPEC = Spec(seed=5, output=Output(width=3), sample_shape=(1, 2, 2), sample_dtype="|u1", open_rows=100)
UPLINKS = [[[0.5, 0.25, 0.25], [1, 0, 0]], [[0, 0.75, 0.25], [0.5, 0.5, 0]]]


def aggregate_of(method: DSFL, uplinks: list[list[list[float]]]) -> list[list[float]]:
    """Aggregate each client's soft labels for an open set of two rows."""
    blocks = {f"c{n}": soft_labels(Rows(np.arange(2)), np.array(v, np.float32)) for n, v in enumerate(uplinks)}
    brought = aggregated(method, history(SPEC.model_copy(update={"open_rows": 2})), blocks)
    block = to_all(brought.aggregate())
    assert block.rows.tolist() == [0, 1]
    together: list[list[float]] = block.array[:].tolist()
    return together


def entropy(rows: NDArray[Any]) -> NDArray[Any]:
    """In nats, a row; 0 ln 0 is 0."""
    summed: NDArray[Any] = -np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=1)
    return summed


def test_the_defaults_are_the_papers() -> None:
    method = DSFL()
    assert (method.aggregation, method.temperature, method.open_per_round) == ("era", 0.1, 1000)


def test_simple_averaging_is_the_mean() -> None:
    # Row 0: (0.5 + 0) / 2, (0.25 + 0.75) / 2, (0.25 + 0.25) / 2. Row 1: (1 + 0.5) / 2, (0 + 0.5) / 2, 0.
    assert aggregate_of(DSFL(aggregation="sa"), UPLINKS) == [[0.25, 0.5, 0.25], [0.75, 0.25, 0]]


def test_entropy_reduction_is_the_softmax_of_the_mean_over_t() -> None:
    # The means are those above; T = 0.5 doubles them.
    # Row 0: exp(0.5), exp(1), exp(0.5) over their sum. Row 1: exp(1.5), exp(0.5), exp(0) over their sum.
    first, second = 2 * exp(0.5) + exp(1), exp(1.5) + exp(0.5) + 1
    expected = [
        [exp(0.5) / first, exp(1) / first, exp(0.5) / first],
        [exp(1.5) / second, exp(0.5) / second, 1 / second],
    ]
    assert aggregate_of(DSFL(aggregation="era", temperature=0.5), UPLINKS) == [
        pytest.approx(row, rel=1e-6) for row in expected
    ]


def test_at_the_papers_temperature_a_mean_of_six_to_four_becomes_nearly_nine_to_one() -> None:
    # softmax(0.6 / 0.1, 0.4 / 0.1) = 1 / (1 + exp(-2)) = 0.8808
    assert era(np.array([[0.6, 0.4]]), 0.1)[0].tolist() == pytest.approx([0.8808, 0.1192], abs=1e-4)


def test_between_two_classes_entropy_falls_whatever_the_mean() -> None:
    probabilities = np.linspace(0.501, 0.999, 50)
    means = np.column_stack([probabilities, 1 - probabilities])
    assert np.all(entropy(era(means, 0.1)) < entropy(means))


def test_entropy_falls_where_clients_lean_to_one_of_ten_classes() -> None:
    lean = np.ones(10)
    lean[3] = 8
    clients = np.random.default_rng(0).dirichlet(lean, (5, 200))  # five clients, 200 rows
    means = clients.mean(axis=0)
    sharpened = era(means, 0.1)
    assert np.all(entropy(sharpened) < 0.9 * entropy(means))
    assert np.all(sharpened.argmax(axis=1) == 3)


def test_a_uniform_mean_stays_uniform_and_a_high_temperature_flattens() -> None:
    assert era(np.full((1, 4), 0.25), 0.1).tolist() == [[0.25] * 4]
    sure = np.array([[0.9, 0.1]])
    assert entropy(era(sure, 10.0)) > entropy(sure)


def test_a_tiny_temperature_does_not_overflow() -> None:
    assert era(np.array([[0.9, 0.1]]), 1e-6).tolist() == [[1.0, 0.0]]


def test_a_large_aggregate_comes_in_slices() -> None:
    rows = SLICE_BYTES // (8 * 10) + 1
    wide = SPEC.model_copy(update={"output": Output(width=10), "open_rows": rows})
    labels = soft_labels(Rows(np.arange(rows)), np.full((rows, 10), 0.1, np.float32))
    brought = aggregated(DSFL(open_per_round=rows), history(wide), {"a": labels})
    parts: list[NDArray[np.float32]] = []

    def collect(given: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        parts.extend(given)
        return np.concatenate(parts)

    brought.round.collect = collect
    brought.aggregate()
    assert [len(part) for part in parts] == [rows - 1, 1]
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}


def planned(number: int, spec: Spec = SPEC, **options: Any) -> Rows:
    ((part, ask),) = asked(DSFL(**options), history(spec), number).items()
    form = ask.form
    assert (part, form.space, form.kind) == ("labels", Space.OPEN, Kind.PROBABILITIES)
    assert (form.partial, form.weights, form.row_shape) == (False, Weights.NONE, (3,))
    return ask.rows


def test_a_plan_is_the_same_for_all_and_another_each_round() -> None:
    plans = [planned(number, open_per_round=20).indices.tolist() for number in (1, 2, 3)]
    assert plans == [planned(number, open_per_round=20, temperature=0.5).indices.tolist() for number in (1, 2, 3)]
    assert len({tuple(plan) for plan in plans}) == 3
    assert all(len(set(plan)) == 20 and plan == sorted(plan) and plan[0] >= 0 and plan[-1] < 100 for plan in plans)
    other = planned(1, SPEC.model_copy(update={"seed": 6}), open_per_round=20)
    assert other.indices.tolist() not in plans


def test_a_plan_asks_for_no_more_rows_than_there_are() -> None:
    rows = planned(1, open_per_round=1000)
    assert rows.indices.tolist() == list(range(100))
    assert rows.sample is not None
    assert rows.sample.count == 100  # what the client would refuse if it were more


def test_enhanced_entropy_reduction_is_the_mean_to_the_power_of_beta() -> None:
    # The means are those of simple averaging; beta = 2 squares them, and each row is brought to a sum of 1.
    # Row 0: 0.0625, 0.25, 0.0625 over 0.375. Row 1: 0.5625, 0.0625, 0 over 0.625.
    squared = [[1 / 6, 2 / 3, 1 / 6], [0.9, 0.1, 0]]
    assert aggregate_of(DSFL(aggregation="eera", beta=2), UPLINKS) == [pytest.approx(row, rel=1e-6) for row in squared]
    means = np.array([[0.25, 0.5, 0.25], [0.75, 0.25, 0]])
    assert eera(means, 1.0) == pytest.approx(means)
    assert eera(np.array([[1e-300, 1 - 1e-300]]), 50.0).tolist() == [[0.0, 1.0]]
    assert eera(np.array([[1.0, -3e-7]]), 1.5).tolist() == [[1.0, 0.0]]  # as rounding leaves them


def test_enhanced_entropy_reduction_of_many_equal_classes_stays_uniform_at_any_beta() -> None:
    # Each mean is 1 / 1000: to the power of 120 it would be 0 were it not brought to 1 first.
    assert eera(np.full((1, 1000), 1e-3), 120.0)[0].tolist() == pytest.approx([1e-3] * 1000)


LABELS = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)


def test_a_client_trains_on_its_private_rows_then_predicts_what_is_wanted() -> None:
    private = Examples(np.array([[1], [0]], np.uint8), np.array([2, 0]))
    client, learner = recording(SPEC, LABELS, private=private, open=np.array([[0], [1], [1], [0]], np.uint8))
    block = update(DSFL(), client, Rows(np.array([0, 2])), 1)
    ((call, x, y),) = learner.asked
    assert (call, x.tolist(), y.tolist()) == ("fit", [[1], [0]], [2, 0])
    assert block.rows.tolist() == [0, 2]
    assert np.array_equal(block.array[:], LABELS)
    assert (block.kind, block.array.dtype) == (Kind.PROBABILITIES, np.dtype("<f4"))


def test_a_client_distils_the_aggregate_on_its_own_open_rows() -> None:
    client, learner = recording(SPEC, LABELS, open=np.array([[0], [1], [1], [0]], np.uint8))
    receive(DSFL(), client, soft_labels(Rows(np.array([1, 3])), LABELS), 1)
    ((call, x, labels),) = learner.asked
    assert (call, x.tolist()) == ("distill", [[1], [0]])
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0}, "'temperature'"),
        ({"temprature": 1}, "'temprature'"),
        ({"aggregation": "x"}, "'aggregation'"),
    ],
)
def test_wrong_options_are_named_beside_the_right_ones(options: dict[str, Any], said: str) -> None:
    with pytest.raises(
        MethodError, match=f"option {said}.*among robust, attackers, aggregation, temperature, beta, open_per_round"
    ):
        make_method(MethodSpec(name="dsfl", options=options))


def test_an_unknown_method_is_told_those_there_are() -> None:
    with pytest.raises(MethodError, match=r"unknown method 'dsgl'; expected one of .*dsfl, .*fedavg"):
        make_method(MethodSpec(name="dsgl"))


def test_half_precision_halves_the_numbers_and_keeps_them_within_its_steps() -> None:
    form = DSFL(open_per_round=20, half=True).forms(SPEC).up["labels"]
    sharp = era(np.array([[0.6, 0.3, 0.1]]), 0.1)
    sent = form.block(sharp, Rows(np.array([4]))).array
    assert sent.dtype == np.float16
    # Between 1/2 and 1 float16 has steps of 2^-11, below that finer ones: at most half a step is lost.
    assert np.abs(sent[:] - sharp).max() <= 2.0**-12


def test_the_largest_labels_of_a_row_travel_and_the_rest_of_its_mass_is_spread() -> None:
    method = DSFL(top=1, aggregation="sa")
    block = to_all(
        aggregated(
            method,
            history(SPEC.model_copy(update={"open_rows": 1})),
            {
                client: method.forms(SPEC).up["labels"].block(np.array([row], np.float32), Rows(np.array([0])))
                for client, row in {"a": [0.5, 0.25, 0.25], "b": [0, 0.75, 0.25]}.items()
            },
        ).aggregate()
    )
    # a has 1/2 in the first column and 1/4 in the others; b has 3/4 in the second and 1/8 in the others.
    assert block.array[:].tolist() == [[0.25, 0.5, 0.25]]
