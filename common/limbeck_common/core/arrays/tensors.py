"""Arrays in memory, in a file, or as they travelled: read in slices of about a megabyte."""

import math
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from limbeck_common.core.arrays.encoded_rows import EncodedRows, Packed, QuantisedRows, SparseRows, VoteRows
from limbeck_common.core.arrays.file_array import FileArray

SLICE_BYTES = 1 << 20

Tensor = NDArray[Any] | FileArray | EncodedRows


def slices(tensor: Tensor) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (index of the first row, rows) in slices of about a megabyte, so that nobody holds the whole in memory.

    >>> import numpy as np
    >>> [(start, part.shape) for start, part in slices(np.zeros((3, 100_000)))]
    [(0, (1, 100000)), (1, (1, 100000)), (2, (1, 100000))]
    """
    row_bytes = math.prod(tensor.shape[1:]) * tensor.dtype.itemsize
    step = max(1, SLICE_BYTES // max(1, row_bytes))
    for start in range(0, tensor.shape[0], step):
        yield start, tensor[start : start + step]


def travelling(tensor: Tensor) -> tuple[Packed, ...]:
    """Return the arrays that a tensor travels as: itself, or what holds its encoded rows."""
    return tensor.tensors if isinstance(tensor, QuantisedRows | VoteRows | SparseRows) else (tensor,)


def nbytes(tensor: Tensor) -> int:
    """Return the tensor's size in bytes as it travels."""
    return sum(math.prod(each.shape) * each.dtype.itemsize for each in travelling(tensor))
