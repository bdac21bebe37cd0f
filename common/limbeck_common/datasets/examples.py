"""What one participant holds: labelled rows, and the open set that all participants share."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from limbeck_common.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled rows: `x`, shape [rows, *sample_shape], and `y`: classes, [rows], or labels or numbers, [rows, width].

    `x` may be anything with a shape, an element type and slices, such as a memory map: torch models read a batch at a
    time. Bytes are pixels, which torch models get standardised; other integers, such as tokens, stay integers.

    >>> import numpy as np
    >>> Examples(x=np.zeros((2, 1, 8, 8), np.uint8), y=np.array([3, 0])).y
    array([3, 0])

    Raises:
        DataError: `x` and `y` differ in their number of rows.
    """

    x: NDArray[Any]
    y: NDArray[Any]

    def __post_init__(self) -> None:
        if not self.y.shape or self.x.shape[:1] != self.y.shape[:1]:
            raise DataError(
                f"x has the shape {self.x.shape}, y has {self.y.shape}",
                expected="x [rows, ...] and y [rows, ...], as many rows in both",
            )


@dataclass(frozen=True, eq=False)
class ParticipantData:
    """The data of one participant; a user's `--data package.module:callable` returns it too.

    `private` is None for the server, which has no private rows. `open`, shape [open_rows, *sample_shape], is the same
    for every participant; a client that leaves it None fetches it from the server. `open_labels`, with a label per open
    row as in `Examples.y`, are for what can use them, where the participant knows them. A participant is measured on
    `test`; on `local_test`, rows as its own, as well, under names that begin with `local_`.

    >>> import numpy as np
    >>> rows = np.zeros((3, 1, 8, 8), np.uint8)
    >>> len(ParticipantData(private=Examples(rows, np.array([0, 1, 1])), open=rows).private.y)
    3
    """

    private: Examples | None = None
    open: NDArray[Any] | None = None
    test: Examples | None = None
    open_labels: NDArray[Any] | None = None
    local_test: Examples | None = None
