"""An exponential moving average of aggregates over rounds, row by row."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.methods.server_round import ServerRound


def smoothed(server: ServerRound, fresh: Iterable[NDArray[Any]], share: float) -> Iterator[NDArray[Any]]:
    """Yield fresh labels, slices of shape [rows, classes], each averaged with the last aggregate's label of its row.

    `share` is the past's; a row that the last aggregate does not have stays as it is.
    """
    last = server.aggregate(server.number - 1) if share else None
    if last is None or not len(last["labels"].rows):
        yield from fresh
        return
    known, rows, start = last["labels"], server.rows("labels").indices, 0
    past = np.asarray(known.array[:], np.float64)
    for part in fresh:
        wanted = rows[start : start + len(part)]
        start += len(part)
        places = np.minimum(np.searchsorted(known.rows, wanted), len(known.rows) - 1)
        both = known.rows[places] == wanted
        mixed = np.array(part, np.float64)
        mixed[both] = share * past[places[both]] + (1 - share) * mixed[both]
        yield mixed
