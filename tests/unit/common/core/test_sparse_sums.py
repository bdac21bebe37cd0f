"""Sums of sparse rows are those of the dense rows, whatever the order, and as large as the columns that were named."""

from itertools import permutations

import numpy as np
import pytest

from limbeck_common.core.arrays.encoded_rows import SparseRows
from limbeck_common.core.arrays.encodings import Top
from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.kinds import Kind
from limbeck_common.core.sparse_sums import SparseTally

KEYS = np.array([2, 5, 9])
WIDTH = 50


def sparse(seed: int, *keys: int, k: int = 4, width: int = WIDTH) -> Block:
    random = np.random.default_rng(seed)
    labels = random.dirichlet(np.full(width, 0.1), len(keys)).astype(np.float32)
    return soft_labels(Rows(np.array(keys)), Top(k, "<f4").encode(labels, Kind.PROBABILITIES))


def summed(*blocks: Block) -> SparseTally:
    tally = SparseTally(KEYS, WIDTH, Kind.PROBABILITIES)
    for block in blocks:
        tally.add(block)
    return tally


def means(tally: SparseTally | Tally) -> np.ndarray:
    return np.concatenate(list(tally.means()))


BLOCKS = [sparse(1, 2, 5, 9), sparse(2, 2, 9), sparse(3, 5, 9), sparse(4, 2, 5, 9)]


def test_means_are_those_of_the_dense_rows() -> None:
    dense = Tally(KEYS, (WIDTH,), Kind.PROBABILITIES)
    for block in BLOCKS:
        dense.add(soft_labels(Rows(block.rows), block.array[:]))
    assert means(summed(*BLOCKS)) == pytest.approx(means(dense), abs=2**-32)
    assert summed(*BLOCKS).weights.tolist() == dense.weights.tolist() == [3, 3, 4]


def test_the_order_changes_no_bit() -> None:
    assert len({means(summed(*order)).tobytes() for order in permutations(BLOCKS)}) == 1


def test_keys_that_nobody_answered_have_no_mean() -> None:
    tally = summed(sparse(1, 2, 9))
    assert tally.answered.indices.tolist() == [2, 9]
    assert means(tally).shape == (2, WIDTH)
    assert list(SparseTally(KEYS, WIDTH, Kind.PROBABILITIES).means()) == []


def test_a_block_counts_as_often_as_it_weighs_and_so_does_each_key() -> None:
    once, other = sparse(1, 2, 5, 9), sparse(2, 2, 5, 9)
    weighed = Block(once.space, once.keys, once.kind, once.values, weight=3)
    assert np.array_equal(means(summed(weighed, other)), means(summed(once, once, once, other)))
    keyed = Block(once.space, once.keys, once.kind, once.values, weight=np.array([1, 2, 3]))
    found = summed(keyed)
    assert found.weights.tolist() == [1, 2, 3]
    assert means(found) == pytest.approx(means(summed(once)), abs=2**-31)


def test_memory_follows_the_columns_that_are_named_and_not_the_width() -> None:
    width, keys = 1 << 20, np.arange(1000)
    columns = np.tile(np.arange(8, dtype=np.uint32), (1000, 1))
    block = soft_labels(Rows(keys), SparseRows(columns, np.full((1000, 8), 0.1, np.float32), width))
    tally = SparseTally(keys, width, Kind.PROBABILITIES)
    for _ in range(3):
        tally.add(block)
    assert tally._cells.nbytes + tally._extra.nbytes == 1000 * 8 * 16  # noqa: SLF001 - what it keeps
    first = next(tally.means())
    assert first[0, :8].tolist() == pytest.approx([0.1] * 8)
    assert first[0].sum() == pytest.approx(1, abs=1e-3)


def test_dense_rows_are_not_taken() -> None:
    with pytest.raises(TypeError, match="a sparse tally adds sparse rows alone"):
        summed(soft_labels(Rows(KEYS), np.full((3, WIDTH), 1 / WIDTH, np.float32)))
