"""Exact sums: fixed point in int64, where addition is associative.

Each value is rounded to a multiple of its kind's unit, 2^-32 for probabilities or 2^-24 for what lies within +-32768,
and added in int64. A sum therefore never depends on the order of arrival, and can be streamed, checkpointed, split and
masked. A block of weight w counts w times; where each key has a weight, so does each key.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.tensors import SLICE_BYTES, slices
from limbeck_common.core.blocks import Block, Rows, Shapes
from limbeck_common.core.kinds import Kind

_SHIFTS = {
    kind: (shift := np.float64(1.5 * 2.0 ** (52 - kind.fraction_bits)), shift.view(np.int64))
    for kind in Kind
    if kind.summed
}


def to_fixed(values: NDArray[Any], kind: Kind) -> NDArray[np.int64]:
    """Return values as integer multiples of the kind's unit, rounded to the nearest (ties to even); same shape.

    The values must pass `Kind.check`. A float64 near 1.5 x 2^(52 - bits) has the unit as its last place, so adding that
    number rounds, and the bits below the exponent are the integer: one pass, where scaling, rounding and converting
    would take three.

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
    """Running sums of blocks of rows, by key, and their weights; `keys` are ascending, shape [keys].

    >>> from limbeck_common.core.blocks import soft_labels
    >>> tally = Tally(np.array([3, 8]), row_shape=(2,), kind=Kind.PROBABILITIES)
    >>> tally.add(soft_labels(Rows(np.array([3, 8])), np.array([[1.0, 0.0], [0.5, 0.5]])))
    >>> tally.add(soft_labels(Rows(np.array([8])), np.array([[0.0, 1.0]])))
    >>> np.concatenate(list(tally.means()))
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """

    def __init__(self, keys: NDArray[np.int64], row_shape: tuple[int, ...], kind: Kind) -> None:
        self.keys = keys
        self.kind = kind
        self.sums = np.zeros((len(keys), *row_shape), np.int64)
        self.weights = np.zeros(len(keys), np.int64)

    def add(self, block: Block) -> None:
        """Add a checked block whose keys are among the tally's."""
        values, weight = block.array, block.weight
        if len(block.rows) == len(self.keys):  # all keys, in order: a plain slice is several times faster
            self.weights += weight
            if isinstance(values, np.ndarray) and values.nbytes <= SLICE_BYTES:
                self.sums += _weighed(values, self.kind, weight)
                return
            for start, part in slices(values):
                stop = start + len(part)
                self.sums[start:stop] += _weighed(part, self.kind, _within(weight, start, stop))
            return
        places = np.searchsorted(self.keys, block.rows)
        self.weights[places] += weight
        for start, part in slices(values):
            stop = start + len(part)
            self.sums[places[start:stop]] += _weighed(part, self.kind, _within(weight, start, stop))

    @property
    def answered(self) -> Rows:
        """The keys that at least one block has answered for."""
        return Rows(self.keys[self.weights > 0])

    def means(self) -> Iterator[NDArray[np.float64]]:
        """Yield the means of the answered keys in key order, [keys, *row_shape], in slices of about a megabyte."""
        unit = 2.0**-self.kind.fraction_bits
        step = max(1, SLICE_BYTES // (8 * math.prod(self.sums.shape[1:])))
        for start in range(0, len(self.keys), step):
            sums, weights = self.sums[start : start + step], self.weights[start : start + step]
            if not weights.all():
                sums, weights = sums[weights > 0], weights[weights > 0]
            if len(weights):
                yield sums * unit / weights.reshape(-1, *(1 for _ in sums.shape[1:]))


class ParameterTally:
    """Running sums of the parameters of models of one architecture, by name.

    >>> from limbeck_common.core.blocks import parameters
    >>> tally = ParameterTally({"bias": (2,)})
    >>> tally.add(parameters({"bias": np.array([0.0, 3.0])}, weight=1))
    >>> tally.add(parameters({"bias": np.array([3.0, 0.0])}, weight=2))
    >>> tally.means()
    {'bias': array([2., 1.], dtype=float32)}
    """

    def __init__(self, shapes: Shapes) -> None:
        self.sums = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        self.weight = 0

    def add(self, block: Block) -> None:
        """Add a checked block of parameters with the tally's names and shapes, weighed as a whole."""
        if not isinstance(block.weight, int):
            raise TypeError("a model has one weight")
        for name, value in block.parameters.items():
            self.sums[name] += _weighed(value, Kind.PARAMETERS, block.weight)
        self.weight += block.weight

    def means(self) -> dict[str, NDArray[np.float32]]:
        """Return the weighted means by name. At least one block must have been added."""
        unit = 2.0**-Kind.PARAMETERS.fraction_bits
        return {name: (total * unit / self.weight).astype(np.float32) for name, total in self.sums.items()}


def _within(weight: int | NDArray[np.int64], start: int, stop: int) -> int | NDArray[np.int64]:
    return weight if isinstance(weight, int) else weight[start:stop]


def _weighed(values: NDArray[Any], kind: Kind, weight: int | NDArray[np.int64]) -> NDArray[np.int64]:
    fixed = to_fixed(values, kind)
    if isinstance(weight, int):
        return fixed if weight == 1 else fixed * weight
    return fixed * weight.reshape(-1, *(1 for _ in fixed.shape[1:]))
