"""Exact sums: fixed point in int64, where addition is associative.

Each value is rounded to a multiple of 2^-32 (probabilities) or 2^-24 (logits and parameters, within +-32768) and added
in int64. A sum therefore never depends on the order of arrival, and can be streamed, checkpointed, split and masked.
With these ranges an int64 holds the sum of 2^31 probabilities or 2^24 logits. A block of weight w counts w times.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import ValuesError
from limbeck_common.core.messages import Block, Kind, Rows, Shapes
from limbeck_common.core.tensors import SLICE_BYTES, Tensor, slices

FRACTION_BITS = {Kind.PROBABILITIES: 32, Kind.LOGITS: 24, Kind.PARAMETERS: 24}
LIMIT = {Kind.PROBABILITIES: 1.0, Kind.LOGITS: 32768.0, Kind.PARAMETERS: 32768.0}
MOST_WEIGHT = {kind: 2 ** (63 - bits) // int(LIMIT[kind]) - 1 for kind, bits in FRACTION_BITS.items()}
"""The largest total weight of a sum's blocks, by kind: beyond it an int64 could overflow."""

ROUNDING = 1e-6
"""How far a softmax's values may lie outside 0 to 1."""

_SHIFTS = {
    kind: (shift := np.float64(1.5 * 2.0 ** (52 - bits)), shift.view(np.int64)) for kind, bits in FRACTION_BITS.items()
}
ROW_SUM_TOLERANCE = 1e-2
"""How far from 1 a row of probabilities may sum: a float16 softmax over 1,000 classes stays within it."""


def check_values(values: Tensor, kind: Kind) -> None:
    """Check what a sum relies on: values are finite and in range, and rows of probabilities sum to 1.

    Raises:
        ValuesError: names the first row that fails, by its position in the block.
    """
    low, high, slack = -LIMIT[kind], LIMIT[kind], 0.0
    if kind is Kind.PROBABILITIES:
        low, slack = 0.0, ROUNDING
    for start, part in slices(values):
        flat = part.reshape(len(part), -1)
        _require(np.all(np.isfinite(flat), axis=1), start, "is not finite", "finite numbers")
        within = (flat >= low - slack) & (flat <= high + slack)
        _require(np.all(within, axis=1), start, "is out of range", f"{low:g} to {high:g}")
        if kind is Kind.PROBABILITIES:
            off = np.abs(flat.sum(axis=1, dtype=np.float64) - 1.0)
            _require(off <= ROW_SUM_TOLERANCE, start, "does not sum to 1", "rows that are probability distributions")


def _require(good: NDArray[Any], start: int, wrong: str, expected: str) -> None:
    if not good.all():
        row = start + int(np.argmin(good))
        raise ValuesError(f"row {row} of the block {wrong}", expected=expected, remedy="check the learner's output")


def to_fixed(values: NDArray[Any], kind: Kind) -> NDArray[np.int64]:
    """Return values as integer multiples of the kind's unit, rounded to the nearest (ties to even); same shape.

    The values must pass `check_values`. A float64 near 1.5 x 2^(52 - bits) has the unit as its last place, so adding
    that number rounds, and the bits below the exponent are the integer: one pass, where scaling, rounding and
    converting would take three.

    >>> to_fixed(np.array([0.5, 1.0]), Kind.PROBABILITIES)
    array([2147483648, 4294967296])
    """
    shift, bits = _SHIFTS[kind]
    shifted = values.astype(np.float64)
    shifted += shift
    fixed: NDArray[np.int64] = shifted.view(np.int64)
    fixed -= bits
    return fixed


class Tally:
    """Running sums and counts of predictions, by key; `keys` are ascending, shape [keys].

    >>> from limbeck_common.core.messages import soft_labels
    >>> tally = Tally(np.array([3, 8]), classes=2, kind=Kind.PROBABILITIES)
    >>> tally.add(soft_labels(Rows(np.array([3, 8])), np.array([[1.0, 0.0], [0.5, 0.5]])))
    >>> tally.add(soft_labels(Rows(np.array([8])), np.array([[0.0, 1.0]])))
    >>> np.concatenate(list(tally.means()))
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """

    def __init__(self, keys: NDArray[np.int64], classes: int, kind: Kind) -> None:
        self.keys = keys
        self.kind = kind
        self.sums = np.zeros((len(keys), classes), np.int64)
        self.counts = np.zeros(len(keys), np.int64)

    def add(self, block: Block) -> None:
        """Add a checked block whose keys are among the tally's."""
        if len(block.rows) == len(self.keys):  # all keys, in order: a plain slice is several times faster
            self.counts += block.weight
            values = block.predictions
            if isinstance(values, np.ndarray) and values.nbytes <= SLICE_BYTES:
                self.sums += _weighed(values, self.kind, block.weight)
                return
            for start, part in slices(values):
                self.sums[start : start + len(part)] += _weighed(part, self.kind, block.weight)
            return
        places = np.searchsorted(self.keys, block.rows)
        self.counts[places] += block.weight
        for start, part in slices(block.predictions):
            self.sums[places[start : start + len(part)]] += _weighed(part, self.kind, block.weight)

    @property
    def answered(self) -> Rows:
        """The keys that at least one block has answered for."""
        return Rows(self.keys[self.counts > 0])

    def means(self) -> Iterator[NDArray[np.float64]]:
        """Yield the means of the answered keys in key order, shape [keys, classes], in slices of about a megabyte."""
        unit = 2.0 ** -FRACTION_BITS[self.kind]
        step = max(1, SLICE_BYTES // (8 * self.sums.shape[1]))
        for start in range(0, len(self.keys), step):
            sums, counts = self.sums[start : start + step], self.counts[start : start + step]
            if not counts.all():
                sums, counts = sums[counts > 0], counts[counts > 0]
            if len(counts):
                yield sums * unit / counts[:, None]


class ParameterTally:
    """Running sums of the parameters of models of one architecture, by name.

    >>> from limbeck_common.core.messages import parameters
    >>> tally = ParameterTally({"bias": (2,)})
    >>> tally.add(parameters({"bias": np.array([0.0, 3.0])}, weight=1))
    >>> tally.add(parameters({"bias": np.array([3.0, 0.0])}, weight=2))
    >>> tally.means()
    {'bias': array([2., 1.], dtype=float32)}
    """

    def __init__(self, shapes: Shapes) -> None:
        self.sums = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        self.count = 0

    def add(self, block: Block) -> None:
        """Add a checked block of parameters with the tally's names and shapes."""
        for name, value in block.parameters.items():
            self.sums[name] += _weighed(value, Kind.PARAMETERS, block.weight)
        self.count += block.weight

    def means(self) -> dict[str, NDArray[np.float32]]:
        """Return the weighted means by name. At least one block must have been added."""
        unit = 2.0 ** -FRACTION_BITS[Kind.PARAMETERS]
        return {name: (total * unit / self.count).astype(np.float32) for name, total in self.sums.items()}


def _weighed(values: NDArray[Any], kind: Kind, weight: int) -> NDArray[np.int64]:
    fixed = to_fixed(values, kind)
    return fixed if weight == 1 else fixed * weight
