"""Rows on a device, a batch at a time. Importing this imports torch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck_common.datasets.row_view import take

_RESIDENT_BYTES = 256 << 20


class Batches:
    """Inputs and targets of training, as tensors on a device.

    What is a NumPy array in memory and small is brought there whole, once; of anything else, such as a memory map or
    encoded labels, a batch is read at a time.
    """

    def __init__(self, rows: Any, prepare: Callable[[NDArray[Any]], Tensor]) -> None:
        self._rows = rows
        self._prepare = prepare
        self._whole = prepare(rows) if _is_resident(rows) else None

    def epoch(self, order: Tensor | None, size: int) -> Iterator[Tensor]:
        """Yield batches of `size` rows, in an order, on the CPU, or as they lie."""
        if self._whole is not None:
            whole = self._whole if order is None else self._whole.index_select(0, order.to(self._whole.device))
            for batch in slices(len(whole), size):
                yield whole[batch]
            return
        places = None if order is None else order.numpy()
        for batch in slices(len(self._rows), size):
            yield self._prepare(take(self._rows, batch if places is None else places[batch]))


def _is_resident(rows: Any) -> bool:
    if not isinstance(rows, np.ndarray) or isinstance(rows, np.memmap):
        return False
    return rows.size * torch.float32.itemsize <= _RESIDENT_BYTES


def slices(rows: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows. A single last row joins the batch before it: batch normalisation needs two."""
    start = 0
    while start < rows:
        stop = start + size if rows - start - size > 1 else rows
        yield slice(start, stop)
        start = stop
