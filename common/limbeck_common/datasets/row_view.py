"""Some rows of data that may be larger than memory: read when they are asked for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def take(rows: Any, places: slice | NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of anything that can be sliced along its first axis, in the order of `places`.

    >>> take(np.arange(10), np.array([7, 2]))
    array([7, 2])
    """
    if isinstance(places, slice) or isinstance(rows, np.ndarray | RowView):
        return np.asarray(rows[places])
    if not len(places):
        return np.asarray(rows[:0])
    return np.concatenate([np.asarray(rows[place : place + 1]) for place in places.tolist()])


@dataclass(frozen=True, eq=False)
class RowView:
    """The rows of `rows` at `places`, which are read one slice at a time.

    >>> view = RowView(np.arange(10) * 2, np.array([1, 4, 5]))
    >>> len(view), view[1:]
    (3, array([ 8, 10]))
    """

    rows: Any
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, wanted: slice | NDArray[np.int64]) -> NDArray[Any]:
        return take(self.rows, self.places[wanted])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows, as of an array."""
        return (len(self.places), *self.rows.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type, as of an array."""
        dtype: np.dtype[Any] = self.rows.dtype
        return dtype
