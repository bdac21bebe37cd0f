"""Arrays in memory or in a file, read in slices of about a megabyte."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError

SLICE_BYTES = 1 << 20


@dataclass(frozen=True)
class FileArray:
    """An array that stays in a file; slicing its first axis reads that slice.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "values")
    ...     _ = path.write_bytes(bytes(range(6)))
    ...     FileArray(path, offset=0, dtype=np.dtype("|u1"), shape=(3, 2))[1:]
    array([[2, 3],
           [4, 5]], dtype=uint8)

    Raises:
        DataError: on reading, where the file is missing or shorter than the array.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        width = math.prod(self.shape[1:])
        skip = self.offset + start * width * self.dtype.itemsize
        count = max(0, stop - start)
        try:
            if self.path.stat().st_size < skip + count * width * self.dtype.itemsize:
                raise DataError(f"{self.path} ends early", expected=f"an array of shape {list(self.shape)}")
            flat = np.fromfile(self.path, self.dtype, count * width, offset=skip)
        except (OSError, ValueError) as error:  # a path out of a damaged journal need not even be a valid one
            raise DataError(f"{str(self.path)!r} cannot be read: {error}") from error
        return flat.reshape(count, *self.shape[1:])


Tensor = NDArray[Any] | FileArray


def slices(tensor: Tensor) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (index of the first row, rows) in slices of about a megabyte, so that nobody holds the whole in memory.

    >>> [(start, part.shape) for start, part in slices(np.zeros((3, 100_000)))]
    [(0, (1, 100000)), (1, (1, 100000)), (2, (1, 100000))]
    """
    row_bytes = math.prod(tensor.shape[1:]) * tensor.dtype.itemsize
    step = max(1, SLICE_BYTES // max(1, row_bytes))
    for start in range(0, tensor.shape[0], step):
        yield start, tensor[start : start + step]


def nbytes(tensor: Tensor) -> int:
    """Return the array's size in bytes."""
    return math.prod(tensor.shape) * tensor.dtype.itemsize
