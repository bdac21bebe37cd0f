"""Encodings against numbers worked out by hand: what comes back is what was sent, to the encoding's own precision."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from limbeck_common.core.arrays.encoded_rows import SparseRows, VoteRows
from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, OneClass, Plain, Quantised, Top, encoding_of
from limbeck_common.core.arrays.tensors import nbytes, travelling
from limbeck_common.core.kinds import Kind


def labels(*rows: list[float]) -> Any:
    return np.array(rows, np.float32)


def thirds(values: Any) -> list[list[int]]:
    steps: list[list[int]] = np.rint(Quantised(2).encode(values, Kind.PROBABILITIES)[:] * 3).astype(int).tolist()
    return steps


def test_two_bits_are_thirds_that_sum_to_one() -> None:
    # 0.5, 0.3, 0.2 are 1.5, 0.9, 0.6 thirds: down to 1, 0, 0; two lack, for the remainders 0.9 and 0.6.
    # 0.9, 0.06, 0.04 are 2.7, 0.18, 0.12 thirds: down to 2, 0, 0; one lacks, for the remainder 0.7.
    assert thirds(labels([0.5, 0.3, 0.2], [0.9, 0.06, 0.04])) == [[1, 1, 1], [3, 0, 0]]


def test_one_bit_is_the_likeliest_class_and_of_equals_the_first() -> None:
    shown = labels([0.2, 0.5, 0.3], [0.4, 0.2, 0.4])
    for encoding in (Quantised(1), OneClass()):
        assert encoding.encode(shown, Kind.PROBABILITIES)[:].tolist() == [[0, 1, 0], [1, 0, 0]]


def test_labels_that_do_not_quite_sum_to_one_are_scaled_first() -> None:
    shown = labels([0.5, 0.3, 0.2], [0.9, 0.06, 0.04])
    assert thirds(shown * 2) == thirds(shown)


def test_no_other_step_is_nearer() -> None:
    shown = np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)
    grid = np.array([steps for steps in product(range(8), repeat=3) if sum(steps) == 7]) / 7
    for label, steps in zip(shown, Quantised(3).encode(shown, Kind.PROBABILITIES)[:], strict=True):
        assert np.abs(label - steps).sum() == pytest.approx(np.abs(label - grid).sum(axis=1).min(), abs=1e-6)


@pytest.mark.parametrize("bits", range(1, 9))
def test_what_is_quantised_once_stays_and_keeps_its_total(bits: int) -> None:
    shown = np.random.default_rng(bits).dirichlet(np.full(10, 0.3), 200).astype(np.float32)
    once = Quantised(bits).encode(shown, Kind.PROBABILITIES)
    assert np.array_equal(Quantised(bits).encode(once[:], Kind.PROBABILITIES)[:], once[:])
    assert once[:].sum(axis=1) == pytest.approx(np.ones(200), abs=1e-6)
    assert np.abs(once[:] - shown).max() < 1 / (2**bits - 1)
    Kind.PROBABILITIES.check(once[:])


def test_values_without_a_total_go_to_the_nearest_step_of_their_range() -> None:
    shown = labels([0.0, 0.4, 1.0])
    assert Quantised(2).encode(shown, Kind.MEMBERSHIPS)[:].round(3).tolist() == [[0, pytest.approx(0.333), 1]]
    scores = Quantised(8).encode(np.array([[-32768.0, 32768.0]]), Kind.LOGITS)[:]
    assert scores.tolist() == [[-32768, 32768]]


@pytest.mark.parametrize(("bits", "size"), [(1, 2), (3, 4), (4, 5), (8, 10)])
def test_a_row_is_padded_to_whole_bytes(bits: int, size: int) -> None:
    encoded = Quantised(bits).encode(np.full((7, 10), 0.1, np.float32), Kind.PROBABILITIES)
    assert nbytes(encoded) == 7 * size
    assert Quantised(bits).layout(7, (10,)) == tuple((each.dtype, each.shape) for each in travelling(encoded))


@pytest.mark.parametrize(("classes", "dtype"), [(256, "|u1"), (257, "<u2"), (1 << 16, "<u2"), ((1 << 16) + 1, "<u4")])
def test_a_class_takes_as_many_bytes_as_its_number_needs(classes: int, dtype: str) -> None:
    last = np.zeros((1, classes), np.float32)
    last[0, -1] = 1
    votes = OneClass().encode(last, Kind.VOTES)
    assert isinstance(votes, VoteRows)
    assert (votes.votes.dtype, votes.votes[:].tolist()) == (np.dtype(dtype), [classes - 1])
    assert OneClass().layout(1, (classes,)) == ((np.dtype(dtype), (1,)),)
    assert np.array_equal(votes[:], last)


def test_the_largest_values_stay_and_the_rest_is_spread_evenly() -> None:
    sparse = Top(2, "<f4").encode(labels([0.1, 0.5, 0.05, 0.35]), Kind.PROBABILITIES)
    assert isinstance(sparse, SparseRows)
    assert (sparse.columns[:].tolist(), sparse.width) == ([[1, 3]], 4)
    assert sparse[:][0].tolist() == pytest.approx([0.075, 0.5, 0.075, 0.35])


def test_more_columns_than_there_are_are_all_of_them() -> None:
    shown = labels([0.25, 0.75])
    sparse = Top(9, "<f4").encode(shown, Kind.PROBABILITIES)
    assert sparse[:].tolist() == shown.tolist()
    assert Top(9, "<f4").layout(1, (2,)) == tuple((each.dtype, each.shape) for each in travelling(sparse))


@pytest.mark.parametrize("encoding", [FLOAT32, FLOAT16, Plain("|u1"), Quantised(3), OneClass(), Top(2), Top(1, "<f4")])
def test_encoded_values_say_how_they_travel(encoding: Any) -> None:
    encoded = encoding.encode(labels([0, 1, 0], [1, 0, 0]), Kind.VOTES)
    assert encoding_of(encoded) == encoding
    assert encoded.shape == (2, 3)
    assert len(encoded) == 2
    assert encoded[1:][:].tolist() == pytest.approx(np.array([[1, 0, 0]]))
    assert encoding.layout(2, (3,)) == tuple((each.dtype, each.shape) for each in travelling(encoded))


@pytest.mark.parametrize("wrong", [lambda: Quantised(0), lambda: Quantised(9), lambda: Top(0)])
def test_impossible_encodings_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        wrong()


def test_encodings_read_as_words() -> None:
    assert [str(each) for each in (FLOAT32, FLOAT16, Quantised(4), OneClass(), Top(64))] == [
        "float32",
        "float16",
        "4 bit",
        "one class",
        "top 64 as float16",
    ]


def test_encoded_rows_have_the_length_and_shape_of_what_they_stand_for() -> None:
    wide = np.tile(np.float32([0.25, 0.25, 0.25, 0.25, 0, 0, 0]), (3, 1))
    for encoding, arrays in ((Quantised(8), 1), (Quantised(3), 1), (OneClass(), 1), (Top(2), 2)):
        rows = encoding.encode(wide, Kind.PROBABILITIES)
        assert (len(rows), rows.shape, rows[:].shape) == (3, (3, 7), (3, 7))
        assert len(travelling(rows)) == arrays
    dense = Quantised(4).encode(np.zeros((3, 2, 5), np.float32), Kind.MEMBERSHIPS)
    assert (len(dense), dense.shape, dense[1:].shape) == (3, (3, 2, 5), (2, 2, 5))
