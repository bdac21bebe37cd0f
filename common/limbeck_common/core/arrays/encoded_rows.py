"""Rows that stay as they travelled, and are decoded a slice at a time.

Both are read as a NumPy array of float32 is: by slices of the first axis. So an exact sum, a check and an owner's
policy see the values themselves, and nobody holds all of them decoded.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.file_array import FileArray

Packed = NDArray[Any] | FileArray
FLOAT32 = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class QuantisedRows:
    """Values in 2^bits equal steps from `low` to `high`, `bits` per value, each row padded to whole bytes.

    >>> rows = QuantisedRows(np.uint8([[0b11_00_01_00]]), bits=2, row_shape=(3,), low=0.0, high=1.0)
    >>> rows[:].round(2)
    array([[1.  , 0.  , 0.33]], dtype=float32)
    """

    packed: Packed  # bytes, shape [rows, bytes per row]; the first value in the highest bits
    bits: int
    row_shape: tuple[int, ...]
    low: float
    high: float

    dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the decoded values, [rows, *row_shape]."""
        return (self.packed.shape[0], *self.row_shape)

    def __len__(self) -> int:
        return self.packed.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        codes = unpack_bits(self.packed[rows], self.bits, math.prod(self.row_shape))
        values = self.low + codes.astype(np.float64) * ((self.high - self.low) / (2**self.bits - 1))
        decoded: NDArray[np.float32] = values.astype(np.float32).reshape(len(codes), *self.row_shape)
        return decoded

    @property
    def tensors(self) -> tuple[Packed, ...]:
        """The arrays that travel."""
        return (self.packed,)

    def of(self, packed: Packed) -> "QuantisedRows":
        """Return other rows of the same encoding, from the array that travels."""
        return replace(self, packed=packed)


@dataclass(frozen=True, eq=False)
class VoteRows:
    """One class per row: a 1 in its column, zeros in the others.

    >>> VoteRows(np.uint16([2, 0]), width=3)[:]
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """

    votes: Packed  # class numbers, shape [rows]
    width: int

    dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the decoded values, [rows, width]."""
        return (self.votes.shape[0], self.width)

    def __len__(self) -> int:
        return self.votes.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        votes = self.votes[rows]
        dense = np.zeros((len(votes), self.width), np.float32)
        dense[np.arange(len(votes)), votes] = 1
        return dense

    @property
    def tensors(self) -> tuple[Packed, ...]:
        """The arrays that travel."""
        return (self.votes,)

    def of(self, votes: Packed) -> "VoteRows":
        """Return other rows of the same width, from the array that travels."""
        return replace(self, votes=votes)


@dataclass(frozen=True, eq=False)
class SparseRows:
    """The k largest values of each row; what is left of a row's total of 1 is spread evenly over the other columns.

    `columns` ascend in each row. The rest of a row is never below 0.

    >>> SparseRows(np.uint16([[0, 2]]), np.float32([[0.7, 0.2]]), width=4)[:].round(2)
    array([[0.7 , 0.05, 0.2 , 0.05]], dtype=float32)
    """

    columns: Packed  # shape [rows, k]
    values: Packed  # shape [rows, k]
    width: int

    dtype = FLOAT32

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the decoded values, [rows, width]."""
        return (self.columns.shape[0], self.width)

    def __len__(self) -> int:
        return self.columns.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        columns, values = self.columns[rows], self.values[rows].astype(np.float32)
        dense = np.empty((len(columns), self.width), np.float32)
        dense[:] = self.rest(values)[:, None]
        np.put_along_axis(dense, columns.astype(np.int64), values, axis=1)
        return dense

    def rest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the value of each column that a row leaves out, shape [rows], from the rows' values, [rows, k]."""
        others = max(1, self.width - values.shape[1])
        left = np.maximum(0.0, 1.0 - values.sum(axis=1, dtype=np.float64)) / others
        share: NDArray[np.float32] = left.astype(np.float32)
        return share

    @property
    def tensors(self) -> tuple[Packed, ...]:
        """The arrays that travel."""
        return (self.columns, self.values)

    def of(self, columns: Packed, values: Packed) -> "SparseRows":
        """Return other rows of the same width, from the arrays that travel."""
        return replace(self, columns=columns, values=values)


EncodedRows = QuantisedRows | VoteRows | SparseRows


def pack_bits(codes: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Return rows of codes, [rows, values], as `bits` per code, each row padded with zeros to whole bytes.

    >>> pack_bits(np.array([[3, 0, 1]]), bits=2)
    array([[196]], dtype=uint8)
    """
    if bits == np.iinfo(np.uint8).bits:
        return codes.astype(np.uint8)
    single = (codes[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(single.astype(np.uint8).reshape(len(codes), codes.shape[1] * bits), axis=1)


def unpack_bits(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.int64]:
    """Return the codes that `pack_bits` packed, shape [rows, count]."""
    if bits == np.iinfo(np.uint8).bits:
        return packed.astype(np.int64)
    single = np.unpackbits(packed, axis=1, count=count * bits).reshape(len(packed), count, bits)
    codes: NDArray[np.int64] = single @ (1 << np.arange(bits - 1, -1, -1))
    return codes
