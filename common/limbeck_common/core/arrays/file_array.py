"""Arrays that stay in a file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError


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
