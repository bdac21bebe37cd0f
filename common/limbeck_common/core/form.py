"""What a part of an uplink or of an aggregate looks like, declared once by its method before any work is done.

Checks, exact sums, size limits, an owner's policy, release log and review queue, and the method's page in the docs all
read the form. None of them knows anything else about the values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encodings import FLOAT32, Encoding, Top
from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Block, Rows, Shapes, Space
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output


class Weights(StrEnum):
    """What a block says of how much it counts in a mean.

    >>> Form(Kind.FEATURES, Space.CLASSES, (64,), weights=Weights.KEY).weights
    <Weights.KEY: 'key'>
    """

    NONE = "none"  # every block counts once
    BLOCK = "block"  # one number per block, such as the number of private rows
    KEY = "key"  # one number per key, such as the number of private rows per class


@dataclass(frozen=True)
class Form:
    """The form of a part.

    `row_shape` is the shape of one key's values: (classes,) for labels, () for a count, any width for features. In the
    space PARAMETERS each name has a shape of its own, so it is empty there. `most_rows` bounds made rows.

    >>> labels = Form(Kind.PROBABILITIES, Space.OPEN, (3,))
    >>> labels.block(np.float32([[0.5, 0.5, 0.0]]), Rows(np.array([7]))).array
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    kind: Kind
    space: Space
    row_shape: tuple[int, ...] = ()
    encodings: tuple[Encoding, ...] = (FLOAT32,)  # that may be sent; the first is the default
    partial: bool = False  # whether keys may be left out
    weights: Weights = Weights.NONE
    most_rows: int = 0
    architectures: tuple[str, ...] = ()  # whose parameters are taken; without any, those of every one

    @classmethod
    def labels(cls, output: Output, *encodings: Encoding, partial: bool = False) -> "Form":
        """Return the form of predictions for open rows, as wide as the federation's output."""
        taken = tuple(Top(min(each.k, output.width)) if isinstance(each, Top) else each for each in encodings)
        return cls(output.kind, Space.OPEN, output.row_shape, taken or (FLOAT32,), partial=partial)

    @classmethod
    def model(cls, *architectures: str) -> "Form":
        """Return the form of a model's parameters, weighed by a number such as that of the private rows."""
        return cls(Kind.PARAMETERS, Space.PARAMETERS, weights=Weights.BLOCK, architectures=architectures)

    def block(self, values: Tensor, rows: Rows | None = None, weight: int | NDArray[np.int64] = 1) -> Block:
        """Return values, shape [rows, *row_shape], as a block of this form, encoded by the form's first encoding.

        Without `rows` the keys are 0 to the number of values - 1: classes, or made rows. Values that are not a NumPy
        array are encoded already.
        """
        keys = Rows(np.arange(len(values))) if rows is None else rows
        if isinstance(values, np.ndarray):
            values = self.encodings[0].encode(values, self.kind)
        return Block(self.space, keys, self.kind, (values,), weight)

    def most_bytes(self, open_rows: int, width: int) -> int:
        """Return the most bytes that a part of this form may take in a federation of so many open rows and classes.

        A model's parameters are as large as its owner has made it: for them, this is 0.
        """
        rows = {Space.OPEN: open_rows, Space.CLASSES: width, Space.MADE: self.most_rows, Space.PARAMETERS: 0}
        layouts = (encoding.layout(rows[self.space], self.row_shape) for encoding in self.encodings)
        return max(sum(math.prod(shape) * dtype.itemsize for dtype, shape in layout) for layout in layouts)


@dataclass(frozen=True)
class Forms:
    """All parts that a method's uplinks and aggregates may have, by name. A round may leave parts out.

    >>> from limbeck_common.core.spec import Output
    >>> labels = Form.labels(Output(width=10))
    >>> sorted(Forms(up={"labels": labels}, down={"labels": labels}).up)
    ['labels']
    """

    up: Mapping[str, Form] = field(default_factory=dict)
    down: Mapping[str, Form] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Ask:
    """One part of what a round asks of each participant: its form, and its keys.

    `rows` are the open rows or classes asked for. In the space PARAMETERS, `models` are the architectures that are
    accepted, by name.

    >>> from limbeck_common.core.spec import Output
    >>> len(Ask(Form.labels(Output(width=10)), Rows(np.arange(5))).rows)
    5
    """

    form: Form
    rows: Rows
    models: Mapping[str, Shapes] = field(default_factory=dict)


Plan = Mapping[str, Rows | None]
"""What a round asks of each participant: by part, the open rows or classes; None for all classes, or for a model."""
