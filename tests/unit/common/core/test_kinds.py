"""What a kind says of values: their range and total, the room in their sums, and what they expose."""

import numpy as np
import pytest

from limbeck_common.core.errors import ValuesError
from limbeck_common.core.kinds import Kind


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Kind.PROBABILITIES, row(0.5, 0.6), "does not sum to 1"),
        (Kind.PROBABILITIES, row(1.5, -0.5), "out of range; expected 0 to 1"),
        (Kind.MEMBERSHIPS, row(1.1, 0.0), "out of range"),
        (Kind.VOTES, row(0.5, 0.5), "is not one class; expected a 1 for the likeliest class and zeros"),
        (Kind.VOTES, row(0.0, 0.5, 0.5), "is not one class"),
        (Kind.VOTES, row(0.0, 0.0), "does not sum to 1"),
        (Kind.COUNTS, row(-1.0), "out of range; expected 0 to 2.14748e"),
        (Kind.FEATURES, row(np.nan), "is not finite"),
        (Kind.VALUES, row(40000.0), "out of range"),
        (Kind.SAMPLES, row(np.inf), "is not finite"),
    ],
)
def test_values_beyond_a_kinds_bounds_are_refused_by_row(kind: Kind, values: np.ndarray, said: str) -> None:
    with pytest.raises(ValuesError, match=f"row 7 of the block .*{said}"):
        kind.check(values, start=7)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.PROBABILITIES, row(0.25, 0.75)),
        (Kind.MEMBERSHIPS, row(1.0, 1.0)),
        (Kind.VOTES, row(0.0, 1.0)),
        (Kind.COUNTS, row(2.0**31)),
        (Kind.VALUES, row(-32768.0)),
        (Kind.SAMPLES, np.full((1, 3, 2, 2), 255, np.uint8)),
        (Kind.FEATURES, np.zeros((0, 4), np.float32)),
        (Kind.PROBABILITIES, np.full((2, 5, 4), 0.25, np.float32)),  # four classes for each of five tokens
    ],
)
def test_values_within_them_pass(kind: Kind, values: np.ndarray) -> None:
    kind.check(values)


@pytest.mark.parametrize(
    ("kinds", "low", "high", "bits"),
    [
        ((Kind.PROBABILITIES, Kind.MEMBERSHIPS, Kind.VOTES), 0, 1, 32),
        ((Kind.LOGITS, Kind.PARAMETERS, Kind.VALUES, Kind.FEATURES), -(2**15), 2**15, 24),
        ((Kind.COUNTS,), 0, 2**31, 0),
        ((Kind.SAMPLES,), -1e30, 1e30, 0),
    ],
)
def test_the_protocol_fixes_ranges_and_fixed_points(
    kinds: tuple[Kind, ...], low: float, high: float, bits: int
) -> None:
    for kind in kinds:
        assert (kind.low, kind.high, kind.fraction_bits) == (low, high, bits)


def test_the_first_bad_row_of_several_is_named() -> None:
    with pytest.raises(ValuesError, match="row 1 of the block does not sum to 1"):
        Kind.PROBABILITIES.check(np.array([[0.5, 0.5], [0.1, 0.1], [0.2, 0.2]]))


def test_a_total_holds_for_each_token_of_a_row() -> None:
    tokens = np.full((2, 5, 4), 0.25, np.float32)
    tokens[1, 3] = 0.5
    with pytest.raises(ValuesError, match="row 1 of the block does not sum to 1"):
        Kind.PROBABILITIES.check(tokens)


def test_scores_become_probabilities_likelihoods_stay_and_other_kinds_are_not_compared() -> None:
    found = Kind.LOGITS.to_probabilities(row(0.0, 0.0))
    assert found is not None
    assert found.tolist() == [[0.5, 0.5]]
    values = row(0.25, 0.75)
    assert Kind.PROBABILITIES.to_probabilities(values) is values
    assert [kind for kind in Kind if kind.to_probabilities(values) is not None] == [
        kind for kind in Kind if kind.is_comparable
    ]
    assert not Kind.FEATURES.is_comparable
    assert not Kind.LOGITS.is_likelihood


def test_every_kind_says_what_it_exposes_and_only_samples_are_not_summed() -> None:
    assert all(kind.exposes for kind in Kind)
    assert [kind for kind in Kind if not kind.summed] == [Kind.SAMPLES]
