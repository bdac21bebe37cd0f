"""Exact sums of sparse rows, which are never made dense but for the slice that is looked at.

A sparse row is a constant, for the columns that it leaves out, and what the columns that it has differ from that by. So
a sum of rows is one integer per key, and an integer per key and column that any row has: its memory follows the number
of columns that clients name, not the width. Fixed point as in `exact_sums`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encoded_rows import SparseRows
from limbeck_common.core.arrays.tensors import SLICE_BYTES
from limbeck_common.core.blocks import Block, Rows
from limbeck_common.core.exact_sums import to_fixed
from limbeck_common.core.kinds import Kind


class SparseTally:
    """Running sums of blocks of sparse rows, by key; `keys` are ascending, shape [keys]. See `Tally`.

    >>> from limbeck_common.core.blocks import soft_labels
    >>> tally = SparseTally(np.array([5]), width=4, kind=Kind.PROBABILITIES)
    >>> tally.add(soft_labels(Rows(np.array([5])), SparseRows(np.uint8([[2]]), np.float32([[0.7]]), width=4)))
    >>> next(tally.means()).round(2)
    array([[0.1, 0.1, 0.7, 0.1]])
    """

    def __init__(self, keys: NDArray[np.int64], width: int, kind: Kind) -> None:
        self.keys = keys
        self.kind = kind
        self.width = width
        self.weights = np.zeros(len(keys), np.int64)
        self._constants = np.zeros(len(keys), np.int64)  # the sum of what each key's rows give every column
        self._cells = np.zeros(0, np.int64)  # key's place x width + column, ascending
        self._extra = np.zeros(0, np.int64)  # the sum of what each cell has beyond the constants

    def add(self, block: Block) -> None:
        """Add a checked block of sparse rows whose keys are among the tally's."""
        rows = block.array
        if not isinstance(rows, SparseRows):
            raise TypeError("a sparse tally adds sparse rows alone")
        places = np.searchsorted(self.keys, block.rows)
        values = np.asarray(rows.values[:], np.float32)
        constants = to_fixed(rows.rest(values), self.kind)
        extra = to_fixed(values, self.kind) - constants[:, None]
        weight = np.broadcast_to(np.asarray(block.weight, np.int64), places.shape)
        self.weights[places] += weight
        self._constants[places] += constants * weight
        cells = places[:, None] * self.width + rows.columns[:].astype(np.int64)
        self._merge(cells.ravel(), (extra * weight[:, None]).ravel())

    def _merge(self, cells: NDArray[np.int64], extra: NDArray[np.int64]) -> None:
        """Add what new cells have, which ascend, to the cells that are there."""
        at = np.searchsorted(self._cells, cells)
        known = np.zeros(len(cells), np.bool_)
        inside = at < len(self._cells)
        known[inside] = self._cells[at[inside]] == cells[inside]
        self._extra[at[known]] += extra[known]
        if not known.all():
            self._cells = np.insert(self._cells, at[~known], cells[~known])
            self._extra = np.insert(self._extra, at[~known], extra[~known])

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one key's values."""
        return (self.width,)

    @property
    def answered(self) -> Rows:
        """The keys that at least one block has answered for."""
        return Rows(self.keys[self.weights > 0])

    def means(self) -> Iterator[NDArray[np.float64]]:
        """Yield the means of the answered keys in key order, shape [keys, width], in slices of about a megabyte."""
        unit = 2.0**-self.kind.fraction_bits
        step = max(1, SLICE_BYTES // (8 * self.width))
        for start in range(0, len(self.keys), step):
            stop = min(start + step, len(self.keys))
            sums = np.repeat(self._constants[start:stop, None], self.width, axis=1)
            first, last = np.searchsorted(self._cells, [start * self.width, stop * self.width])
            sums.reshape(-1)[self._cells[first:last] - start * self.width] += self._extra[first:last]
            weights = self.weights[start:stop]
            if (weights > 0).any():
                yield sums[weights > 0] * unit / weights[weights > 0, None]
