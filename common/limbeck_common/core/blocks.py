"""Blocks: values by key. Uplinks, plans and aggregates are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encodings import Encoding, Layout, encoding_of
from limbeck_common.core.arrays.tensors import Tensor, travelling
from limbeck_common.core.kinds import Kind
from limbeck_common.core.seeds import Sample


class Space(StrEnum):
    """What a block's keys name: open rows, classes, a model's parameters, or rows that are made.

    >>> Space("open") is Space.OPEN
    True
    """

    OPEN = "open"
    CLASSES = "classes"
    PARAMETERS = "parameters"
    MADE = "made"  # rows that travel in the block itself, numbered from 0


@dataclass(frozen=True, eq=False)
class Rows:
    """A set of row numbers: `indices`, shape [rows], strictly ascending.

    `sample` says how they were drawn, if they were: on the wire it names them in a few bytes.

    >>> Rows.drawn(Sample(seed=7, count=3, population=10)).indices
    array([1, 5, 8])
    """

    indices: NDArray[np.int64]
    sample: Sample | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @classmethod
    def drawn(cls, sample: Sample) -> "Rows":
        """Return the rows of a seeded sample, which travels as such."""
        return cls(sample.draw(), sample)


@dataclass(frozen=True)
class Outline:
    """What a message's head says of a block before its values arrive.

    `layout` is the element type and shape of each array that travels; `row_shape` is that of one key's decoded values.
    """

    kind: Kind
    encoding: Encoding
    row_shape: tuple[int, ...]
    layout: Layout


@dataclass(frozen=True, eq=False)
class Block:
    """Values by key: one part of an uplink or of an aggregate.

    The keys are row numbers of the open set, classes, or the numbers of made rows, and `values` is one array of shape
    [keys, *row_shape]; or they are names of parameters, and `values` has one array per name. `weight` says how many
    times the block counts in a mean, or each of its keys: then its shape is [keys].

    >>> labels = soft_labels(Rows(np.array([2, 5])), np.array([[0.9, 0.1], [0.3, 0.7]], np.float32))
    >>> labels.rows, labels.array.shape, labels.weight
    (array([2, 5]), (2, 2), 1)
    """

    space: Space
    keys: Rows | tuple[str, ...]
    kind: Kind
    values: tuple[Tensor, ...]
    weight: int | NDArray[np.int64] = 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row numbers or classes, shape [keys]."""
        if not isinstance(self.keys, Rows):
            raise TypeError("a block of parameters has names as keys, not rows")
        return self.keys.indices

    @property
    def array(self) -> Tensor:
        """The values of a block of rows, shape [keys, *row_shape]."""
        (values,) = self.values
        return values

    @property
    def outline(self) -> Outline:
        """What the block's head says of its values."""
        arrays = tuple(each for tensor in self.values for each in travelling(tensor))
        layout = tuple((each.dtype, each.shape) for each in arrays)
        named = not isinstance(self.keys, Rows)
        encoding = encoding_of(self.values[0]) if self.values else encoding_of(np.zeros(0, np.float32))
        return Outline(self.kind, encoding, () if named else self.array.shape[1:], layout)

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """The values of a block of parameters, by name."""
        if isinstance(self.keys, Rows):
            raise TypeError("a block of rows has no names as keys")
        return {name: np.asarray(values[:]) for name, values in zip(self.keys, self.values, strict=True)}


Parts = Mapping[str, Block]
"""An uplink's contribution, or what an aggregate holds for someone: blocks by the name of their part."""


def soft_labels(rows: Rows, values: Tensor) -> Block:
    """Return a block of probabilities, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.PROBABILITIES, (values,))


def class_scores(rows: Rows, values: Tensor) -> Block:
    """Return a block of class scores before the softmax, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.LOGITS, (values,))


def parameters(values: Mapping[str, NDArray[Any]], weight: int = 1) -> Block:
    """Return a model's parameters as a block of float32 arrays; a scalar becomes an array of shape [1].

    >>> parameters({"bias": np.zeros(3), "scale": np.float64(2)}, weight=50).parameters
    {'bias': array([0., 0., 0.], dtype=float32), 'scale': array([2.], dtype=float32)}
    """
    named = {name: np.atleast_1d(np.asarray(value, np.float32)) for name, value in values.items()}
    return Block(Space.PARAMETERS, tuple(named), Kind.PARAMETERS, tuple(named.values()), weight)


NO_ROWS = Rows(np.zeros(0, np.int64))
Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of a model's parameters, by name."""
