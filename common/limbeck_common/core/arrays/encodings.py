"""How a block's values travel. Whatever the encoding, checks, sums and policies see the decoded values.

A form offers encodings, and the sender takes one of them: `Plain` floats, a few bits per value, one class per row, or
the k largest values of each row.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encoded_rows import EncodedRows, QuantisedRows, SparseRows, VoteRows, pack_bits
from limbeck_common.core.kinds import Kind

Layout = tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]
"""Element type and shape of each array that travels."""

_MOST_BITS = 8


@dataclass(frozen=True)
class Plain:
    """Numbers as they are, little-endian; `dtype` as NumPy writes it.

    >>> Plain("<f2").encode(np.float32([[0.5]]), Kind.PROBABILITIES)
    array([[0.5]], dtype=float16)
    """

    dtype: str = "<f4"

    def __str__(self) -> str:
        return np.dtype(self.dtype).name

    def encode(self, values: NDArray[Any], kind: Kind) -> NDArray[Any]:  # noqa: ARG002 - as the others
        """Return values, shape [keys, ...], as they travel."""
        return values.astype(self.dtype, copy=False)

    def layout(self, keys: int, row_shape: tuple[int, ...]) -> Layout:
        """Return the arrays that travel for so many keys."""
        return ((np.dtype(self.dtype), (keys, *row_shape)),)


@dataclass(frozen=True)
class Quantised:
    """Each value in 2^bits equal steps over its kind's range, 1 to 8 bits per value.

    Rows with a total keep it: each value is rounded down, and the steps that are missing go to the largest remainders,
    of equal ones to the first. That is Q_b of CFD (Sattler et al. 2022, arXiv 2012.00632); at one bit, it is the
    likeliest class.

    >>> Quantised(bits=2).encode(np.float32([[0.6, 0.3, 0.1]]), Kind.PROBABILITIES)[:].round(2)
    array([[0.67, 0.33, 0.  ]], dtype=float32)
    """

    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= _MOST_BITS:
            raise ValueError(f"{self.bits} bits per value, expected 1 to {_MOST_BITS}")

    def __str__(self) -> str:
        return f"{self.bits} bit"

    def encode(self, values: NDArray[Any], kind: Kind) -> QuantisedRows:
        """Return values, shape [keys, ...], as they travel."""
        steps = 2**self.bits - 1
        wide = values.astype(np.float64)
        if kind.total is not None:
            codes = _whole_steps(wide, steps)
        else:
            codes = np.rint((wide - kind.low) * (steps / (kind.high - kind.low))).astype(np.int64)
        packed = pack_bits(codes.reshape(len(values), math.prod(values.shape[1:])), self.bits)
        return QuantisedRows(packed, self.bits, values.shape[1:], kind.low, kind.high)

    def layout(self, keys: int, row_shape: tuple[int, ...]) -> Layout:
        """Return the arrays that travel for so many keys."""
        return ((np.dtype("|u1"), (keys, (math.prod(row_shape) * self.bits + 7) // 8)),)


@dataclass(frozen=True)
class OneClass:
    """The number of each row's likeliest class, of equal ones the first: one byte per row up to 256 classes, then two.

    >>> OneClass().encode(np.float32([[0.2, 0.8]]), Kind.VOTES)[:]
    array([[0., 1.]], dtype=float32)
    """

    def __str__(self) -> str:
        return "one class"

    def encode(self, values: NDArray[Any], kind: Kind) -> VoteRows:  # noqa: ARG002 - as the others
        """Return values, shape [keys, classes], as they travel."""
        width = values.shape[1]
        return VoteRows(values.argmax(axis=1).astype(_number_type(width)), width)

    def layout(self, keys: int, row_shape: tuple[int, ...]) -> Layout:
        """Return the arrays that travel for so many keys."""
        return ((np.dtype(_number_type(row_shape[0])), (keys,)),)


@dataclass(frozen=True)
class Top:
    """The k largest values of each row of a distribution, and the numbers of their columns; `dtype` is the values'.

    >>> Top(k=1).encode(np.float32([[0.5, 0.25, 0.25]]), Kind.PROBABILITIES).columns
    array([[0]], dtype=uint8)
    """

    k: int
    dtype: str = "<f2"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"the {self.k} largest values of each row, expected at least 1")

    def __str__(self) -> str:
        return f"top {self.k} as {np.dtype(self.dtype).name}"

    def encode(self, values: NDArray[Any], kind: Kind) -> SparseRows:  # noqa: ARG002 - as the others
        """Return values, shape [keys, classes], as they travel."""
        width = values.shape[1]
        k = min(self.k, width)
        largest = (
            np.argpartition(-values, k - 1, axis=1)[:, :k] if k < width else np.tile(np.arange(width), (len(values), 1))
        )
        columns = np.sort(largest, axis=1)
        taken = np.take_along_axis(values, columns, axis=1)
        return SparseRows(columns.astype(_number_type(width)), taken.astype(self.dtype), width)

    def layout(self, keys: int, row_shape: tuple[int, ...]) -> Layout:
        """Return the arrays that travel for so many keys."""
        k = min(self.k, row_shape[0])
        return (np.dtype(_number_type(row_shape[0])), (keys, k)), (np.dtype(self.dtype), (keys, k))


Encoding = Plain | Quantised | OneClass | Top
FLOAT32, FLOAT16 = Plain("<f4"), Plain("<f2")


def encoding_of(tensor: NDArray[Any] | EncodedRows | Any) -> Encoding:
    """Return how an array travels."""
    match tensor:
        case QuantisedRows():
            return Quantised(tensor.bits)
        case VoteRows():
            return OneClass()
        case SparseRows():
            return Top(tensor.columns.shape[1], tensor.values.dtype.newbyteorder("<").str)
        case _:
            return Plain(tensor.dtype.newbyteorder("<").str)


def _number_type(width: int) -> str:
    """Return the smallest type that can number so many columns."""
    return next(dtype for dtype in ("|u1", "<u2", "<u4") if width <= 1 << 8 * np.dtype(dtype).itemsize)


def _whole_steps(values: NDArray[np.float64], steps: int) -> NDArray[np.int64]:
    """Return each row as whole steps that sum to `steps`, the nearest such numbers; the shape stays."""
    scaled = values * (steps / values.sum(axis=-1, keepdims=True))
    down = np.floor(scaled)
    lacking = steps - down.sum(axis=-1, keepdims=True)
    rank = np.argsort(np.argsort(down - scaled, axis=-1, kind="stable"), axis=-1)
    whole: NDArray[np.int64] = (down + (rank < lacking)).astype(np.int64)
    return whole
