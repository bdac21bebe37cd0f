"""Rows are read when they are asked for, from anything with slices, in the order asked for."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_common.datasets.row_view import RowView, take


class Slow:
    """Rows that know slices alone, and how many they have handed out."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self.rows = rows
        self.read = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, wanted: slice) -> NDArray[Any]:
        assert isinstance(wanted, slice)
        found = self.rows[wanted]
        self.read += len(found)
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.rows.dtype


ROWS = np.arange(20).reshape(10, 2)


@pytest.mark.parametrize("source", [ROWS, Slow(ROWS), RowView(ROWS, np.arange(10))])
def test_rows_come_in_the_order_asked_for(source: Any) -> None:
    assert take(source, np.array([7, 0, 7])).tolist() == [[14, 15], [0, 1], [14, 15]]
    assert take(source, slice(2, 4)).tolist() == [[4, 5], [6, 7]]
    assert take(source, np.zeros(0, np.int64)).shape == (0, 2)


def test_a_view_reads_no_more_than_is_asked_for() -> None:
    slow = Slow(ROWS)
    view = RowView(slow, np.array([9, 1, 5]))
    assert (len(view), view.shape, view.dtype, slow.read) == (3, (3, 2), ROWS.dtype, 0)
    assert view[1:].tolist() == [[2, 3], [10, 11]]
    assert slow.read == 2
    assert view[np.array([2, 0])].tolist() == [[10, 11], [18, 19]]
