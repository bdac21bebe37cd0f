"""Sums that are the same bits in whatever order and grouping they are made."""

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limbeck_common.core.arrays.tensors import SLICE_BYTES, slices
from limbeck_common.core.blocks import Block, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import ValuesError
from limbeck_common.core.exact_sums import ParameterTally, Tally, to_fixed
from limbeck_common.core.kinds import TOTAL_TOLERANCE, Kind

CLASSES = 3
seeds = st.integers(0, 2**32 - 1)


def check(values: NDArray[Any], kind: Kind) -> None:
    for start, part in slices(values):
        kind.check(part, start)


def distributions(seed: int, rows: int, classes: int = CLASSES) -> NDArray[np.float32]:
    """Sharp and flat ones, float32, shape [rows, classes]."""
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, 10.0 ** random.uniform(-2, 1)), rows).astype(np.float32)


def block(values: NDArray[np.float32], keys: NDArray[np.int64] | None = None) -> Block:
    return soft_labels(Rows(np.arange(len(values)) if keys is None else keys), values)


def tally(blocks: list[Block], rows: int, classes: int = CLASSES) -> Tally:
    counted = Tally(np.arange(rows), (classes,), Kind.PROBABILITIES)
    for each in blocks:
        counted.add(each)
    return counted


@given(st.lists(seeds, min_size=1, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
@settings(deadline=None, max_examples=60)
def test_neither_order_nor_grouping_changes_a_bit(parts: list[int], shuffled: Random, cut: int) -> None:
    blocks = [block(distributions(seed, 5)) for seed in parts]
    whole = tally(blocks, 5)
    mixed = list(blocks)
    shuffled.shuffle(mixed)
    left, right = tally(mixed[:cut], 5), tally(mixed[cut:], 5)
    assert np.array_equal(left.sums + right.sums, whole.sums)
    assert np.array_equal(left.weights + right.weights, whole.weights)


def test_plain_floating_point_would_not_do() -> None:
    """Why exact sums exist."""
    few = np.array([0.1, 0.2, 0.3])
    assert few[0] + few[1] + few[2] != few[0] + (few[1] + few[2])
    fixed = to_fixed(few, Kind.PROBABILITIES)
    assert fixed[0] + fixed[1] + fixed[2] == fixed[0] + (fixed[1] + fixed[2])


@given(st.lists(seeds, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_means_are_those_of_rational_arithmetic(parts: list[int]) -> None:
    values = [distributions(seed, 4) for seed in parts]
    (means,) = tally([block(each) for each in values], 4).means()
    for row, column in np.ndindex(4, CLASSES):
        unit = Fraction(1, 2**32)
        total = sum((round(Fraction(float(each[row, column])) / unit) * unit for each in values), Fraction(0))
        assert means[row, column] == float(total / len(values))


@given(st.floats(-32768, 32768), st.sampled_from([Kind.LOGITS, Kind.PARAMETERS]))
def test_logits_and_parameters_come_within_half_a_unit(value: float, kind: Kind) -> None:
    (fixed,) = to_fixed(np.array([value]), kind)
    assert abs(Fraction(int(fixed), 2**24) - Fraction(value)) <= Fraction(1, 2**25)


def test_a_tie_between_two_units_goes_to_the_even_one() -> None:
    unit = 2.0**-32
    assert to_fixed(np.array([0.5, 1.5, 2.5]) * unit, Kind.PROBABILITIES).tolist() == [0, 2, 2]


@pytest.mark.parametrize(("kind", "values"), [(Kind.PROBABILITIES, 2**31 - 1), (Kind.LOGITS, 2**24 - 1)])
def test_as_many_of_the_largest_values_as_promised_fit(kind: Kind, values: int) -> None:
    (fixed,) = to_fixed(np.array([kind.high]), kind)
    assert int(fixed) == kind.high * 2**kind.fraction_bits
    assert int(fixed) * values < 2**63


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.summed])
def test_as_much_weight_as_is_admitted_fits_and_no_more(kind: Kind) -> None:
    largest = int(kind.high) * 2**kind.fraction_bits
    assert kind.most_weight * largest < 2**63 <= (kind.most_weight + 2) * largest
    values = np.array([[kind.high]], np.float32)
    if kind is Kind.PARAMETERS:
        weighed = ParameterTally({"w": (1, 1)})
        weighed.add(parameters({"w": values}, kind.most_weight))
        assert weighed.sums["w"].tolist() == [[kind.most_weight * largest]]
        assert weighed.means()["w"].tolist() == [[kind.high]]
    else:
        counted = Tally(np.arange(1), (1,), kind)
        counted.add(Block(Space.OPEN, Rows(np.arange(1)), kind, (values,), weight=kind.most_weight))
        assert counted.sums.tolist() == [[kind.most_weight * largest]]
        assert next(counted.means()).tolist() == [[kind.high]]


@given(st.lists(st.tuples(seeds, st.integers(1, 5)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_a_block_that_weighs_w_counts_as_w_blocks(parts: list[tuple[int, int]]) -> None:
    labels = [(block(distributions(seed, 4)), weight) for seed, weight in parts]
    weighed = tally([replace(each, weight=weight) for each, weight in labels], 4)
    repeated = tally([each for each, weight in labels for _ in range(weight)], 4)
    assert np.array_equal(weighed.sums, repeated.sums)
    assert np.array_equal(weighed.weights, repeated.weights)


SHAPES: dict[str, tuple[int, ...]] = {"0.weight": (3, 4), "0.bias": (3,), "1.scale": (1,)}


def weights(seed: int, weight: int) -> Block:
    random = np.random.default_rng(seed)
    scale = 10.0 ** random.uniform(-6, 3)
    return parameters({name: scale * random.normal(size=shape) for name, shape in SHAPES.items()}, weight)


def averaged(blocks: list[Block]) -> ParameterTally:
    weighed = ParameterTally(SHAPES)
    for each in blocks:
        weighed.add(each)
    return weighed


@given(st.lists(st.tuples(seeds, st.integers(1, 1 << 20)), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_averaged_weights_are_those_of_rational_arithmetic_in_any_order(
    parts: list[tuple[int, int]], shuffled: Random
) -> None:
    blocks = [weights(*part) for part in parts]
    mixed = list(blocks)
    shuffled.shuffle(mixed)
    means, other = averaged(blocks).means(), averaged(mixed).means()
    assert list(means) == list(SHAPES)
    for name, mean in means.items():
        assert mean.tobytes() == other[name].tobytes()
        assert (mean.dtype, mean.shape) == (np.float32, SHAPES[name])
        for place in np.ndindex(mean.shape):
            units = sum(round(Fraction(float(each.parameters[name][place])) * 2**24) * each.weight for each in blocks)
            exact = Fraction(units, 2**24 * sum(each.weight for each in blocks))
            assert float(mean[place]) == pytest.approx(float(exact), rel=1e-6, abs=1e-12)


@given(seeds, st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9), min_size=1))
@settings(deadline=None, max_examples=60)
def test_blocks_on_some_of_the_keys_count_there_alone(seed: int, first: set[int], second: set[int]) -> None:
    """As in methods whose clients leave rows out."""
    wanted = sorted(first | second)
    counted = Tally(np.array(wanted), (CLASSES,), Kind.PROBABILITIES)
    sums = np.zeros((10, CLASSES), np.int64)
    for offset, keys in enumerate([first, second]):
        values = distributions(seed + offset, len(keys))
        counted.add(block(values, np.array(sorted(keys))))
        sums[sorted(keys)] += to_fixed(values, Kind.PROBABILITIES)
    assert np.array_equal(counted.sums, sums[wanted])
    assert counted.weights.tolist() == [(key in first) + (key in second) for key in wanted]
    assert np.array_equal(counted.answered.indices, wanted)
    for mean, key in zip(np.concatenate(list(counted.means())), wanted, strict=True):
        assert mean == pytest.approx(sums[key] / 2**32 / ((key in first) + (key in second)))


def test_keys_that_nobody_answered_have_no_mean() -> None:
    counted = Tally(np.array([2, 5, 7, 9]), (CLASSES,), Kind.PROBABILITIES)
    assert counted.answered.indices.tolist() == []
    assert list(counted.means()) == []
    values = distributions(0, 2)
    counted.add(block(values, np.array([5, 9])))
    counted.add(block(distributions(1, 0), np.array([], np.int64)))
    assert counted.answered.indices.tolist() == [5, 9]
    (means,) = counted.means()
    assert means == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("missing", [0, 1])
def test_large_blocks_are_taken_in_slices_without_a_difference(missing: int) -> None:
    classes = 1000
    rows = 3 * SLICE_BYTES // (8 * classes) + 7
    values = distributions(3, rows, classes)
    keys = np.arange(rows)[missing:]
    counted = tally([block(values[missing:], keys), block(values)], rows, classes)
    means = list(counted.means())
    assert len(means) == 4
    assert max(part.nbytes for part in means) <= SLICE_BYTES
    fixed = to_fixed(values, Kind.PROBABILITIES)
    assert np.array_equal(np.concatenate(means), fixed / 2**32)  # the mean of a value and itself, or of itself alone
    assert counted.weights.tolist() == [2 - missing] * missing + [2] * (rows - missing)
    assert np.array_equal(counted.sums, fixed * counted.weights[:, None])


def test_a_large_block_of_all_keys_counts_once_beside_another_of_some() -> None:
    classes = 1000
    rows = SLICE_BYTES // (4 * classes) + 2
    flat, sure = np.full((rows, classes), 1 / classes, np.float32), np.eye(1, classes, dtype=np.float32)
    counted = tally([block(flat), block(sure, np.array([1]))], rows, classes)
    assert counted.weights.tolist() == [1, 2, *[1] * (rows - 2)]
    means = np.concatenate(list(counted.means()))
    assert means[1, :2] == pytest.approx([(1 + 1 / classes) / 2, 1 / classes / 2], abs=1e-9)
    assert means[[0, 2]] == pytest.approx(flat[:2], abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.summed])
def test_what_is_not_finite_is_refused_by_its_row(bad: float, kind: Kind) -> None:
    values = distributions(0, 5)
    values[3, 1] = bad
    with pytest.raises(ValuesError, match="row 3 of the block is not finite"):
        check(values, kind)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(Kind.PROBABILITIES, 0, 1), (Kind.LOGITS, -32768, 32768), (Kind.PARAMETERS, -32768, 32768)],
)
def test_what_would_overflow_is_refused(kind: Kind, low: float, high: float) -> None:
    values: NDArray[np.float32] = np.array([[low, high], [high, low]], np.float32)
    check(values, kind)
    margin = 2e-6 if kind is Kind.PROBABILITIES else 0.0  # a softmax may miss 0 and 1 by a rounding
    for outside in (np.nextafter(np.float32(low - margin), -np.inf), np.nextafter(np.float32(high + margin), np.inf)):
        values[1, 1] = outside
        with pytest.raises(ValuesError, match="row 1 of the block is out of range"):
            check(values, kind)


def test_only_rows_of_probabilities_must_sum_to_one() -> None:
    near, far = TOTAL_TOLERANCE * 0.9, TOTAL_TOLERANCE * 1.1
    for off in (near, -near):
        check(np.array([[0.5, 0.5 + off]]), Kind.PROBABILITIES)
    for off in (far, -far):
        with pytest.raises(ValuesError, match="row 0 of the block does not sum to 1"):
            check(np.array([[0.5, 0.5 + off]]), Kind.PROBABILITIES)
        check(np.array([[0.5, 0.5 + off]]), Kind.LOGITS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_honest_distributions_pass_in_every_precision(dtype: type, classes: int) -> None:
    for seed in range(20):
        check(distributions(seed, 30, classes).astype(dtype), Kind.PROBABILITIES)


def test_the_row_that_is_blamed_is_counted_through_the_slices() -> None:
    values = np.zeros((3 * SLICE_BYTES // 16, 4), np.float32)
    values[:, 0] = 1
    values[-1, 1] = 0.5
    with pytest.raises(ValuesError, match=f"row {len(values) - 1} of the block"):
        check(values, Kind.PROBABILITIES)


def test_a_tally_takes_any_space_of_rows() -> None:
    """Classes are rows too, as in FD."""
    values = distributions(0, CLASSES)
    counted = tally([Block(Space.CLASSES, Rows(np.arange(CLASSES)), Kind.PROBABILITIES, (values,))], CLASSES)
    assert np.array_equal(counted.sums, to_fixed(values, Kind.PROBABILITIES))
