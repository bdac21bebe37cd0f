"""The messages as client and server see them: NumPy arrays and plain values, no protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.seeds import Sample
from limbeck_common.core.tensors import Tensor

SERVER = "server"  # the name of the server's own model as a participant, and the group of a block for it alone


class Space(StrEnum):
    """What a block's keys name."""

    OPEN = "open"
    CLASSES = "classes"
    PARAMETERS = "parameters"


class Kind(StrEnum):
    """What a block's values mean."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    PARAMETERS = "parameters"
    CODES = "codes"  # quantised probabilities, in an encoding that the method defines


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
    """What a message's head says of a block before its values arrive: their kind, and each tensor's dtype and shape."""

    kind: Kind
    forms: tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Values by key: the content of every uplink and of every aggregate.

    A block of predictions has row numbers (of the open set) or classes as `keys`, and one array of shape
    [keys, columns] as `values`; the columns are the classes, unless `kind` is CODES. A block of parameters has names as
    `keys` and one array per name. `weight` says how many times the block counts in a mean; FedAvg sends the number of
    private rows.

    >>> labels = soft_labels(Rows(np.array([2, 5])), np.array([[0.9, 0.1], [0.3, 0.7]], np.float32))
    >>> labels.rows, labels.predictions.shape, labels.weight
    (array([2, 5]), (2, 2), 1)
    """

    space: Space
    keys: Rows | tuple[str, ...]
    kind: Kind
    values: tuple[Tensor, ...]
    temperature: float = 1.0
    weight: int = 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The keys of a block of predictions, shape [keys]."""
        if not isinstance(self.keys, Rows):
            raise TypeError("a block of parameters has names as keys, not rows")
        return self.keys.indices

    @property
    def outline(self) -> Outline:
        """What the block's head says of its values."""
        return Outline(self.kind, tuple((tensor.dtype, tensor.shape) for tensor in self.values))

    @property
    def predictions(self) -> Tensor:
        """The values of a block of predictions, shape [keys, columns]."""
        (values,) = self.values
        return values

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """The values of a block of parameters, by name."""
        if isinstance(self.keys, Rows):
            raise TypeError("a block of predictions has rows as keys, not names")
        return {name: np.asarray(values[:]) for name, values in zip(self.keys, self.values, strict=True)}


def soft_labels(rows: Rows, values: Tensor, temperature: float = 1.0) -> Block:
    """Return a block of probabilities, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.PROBABILITIES, (values,), temperature)


def class_scores(rows: Rows, values: Tensor) -> Block:
    """Return a block of class scores before the softmax, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.LOGITS, (values,))


def parameters(values: Mapping[str, NDArray[Any]], weight: int = 1) -> Block:
    """Return a model's parameters as a block of float32 arrays; a scalar becomes an array of shape [1].

    >>> parameters({"bias": np.zeros(3), "scale": np.float64(2)}, weight=50).parameters
    {'bias': array([0., 0., 0.], dtype=float32), 'scale': array([2.], dtype=float32)}
    """
    named = {name: np.atleast_1d(np.asarray(value, np.float32)) for name, value in values.items()}
    return Block(Space.PARAMETERS, tuple(named), Kind.PARAMETERS, tuple(named.values()), weight=weight)


NO_ROWS = Rows(np.zeros(0, np.int64))
Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of a model's parameters, by name."""


@dataclass(frozen=True, eq=False)
class Ask:
    """What a round asks of each participant: the form of the block that it is to send."""

    space: Space
    kind: Kind
    wanted: Rows = NO_ROWS  # open rows; empty where classes or parameters are asked for
    partial: bool = False  # whether a client may leave out keys
    weighted: bool = False  # whether a block may have a weight other than 1
    dtype: str = "<f4"
    columns: int = 0  # of predictions; 0: as many as there are classes
    models: Mapping[str, Shapes] = field(default_factory=dict)  # the architectures accepted, by group, for parameters


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The result of a round: one block per group of clients, and the clients that change group.

    The group "" is for every client whose own group has no block; SERVER is for the server's own model, where it has a
    block of its own. `groups` maps a client's name to its new group; clients that it leaves out stay where they are.
    """

    blocks: Mapping[str, Block]
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to_all(cls, block: Block) -> "Aggregate":
        """Return an aggregate whose one block reaches every client, whatever its group."""
        return cls({"": block})


@dataclass(frozen=True, eq=False)
class Downlink:
    """One round's work for one client.

    In the closing round `wanted` is None: the client learns from the last aggregate and reports its metrics. In other
    rounds `wanted` is empty where the method asks for classes or parameters.
    """

    federation_id: str
    round: int
    aggregate: Block | None = None
    wanted: Rows | None = None
    deadline_seconds: float = 0.0  # from now
    closing: bool = False


@dataclass(frozen=True, eq=False)
class Uplink:
    """One client's contribution to one round, and metrics of its learner for people to read."""

    federation_id: str
    client: str
    round: int
    contribution: Block | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    digest: bytes = b""  # of the contribution: `wire.codec.block_digest`
    epoch: int = 1  # of the server's store: see `Invitation`


class Receipt(StrEnum):
    """What became of an uplink."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True)
class Idle:
    """No round was open for the client within the time that it waited."""

    phase: str
    round: int


@dataclass(frozen=True)
class Ended:
    """The federation has ended; `state` is finished, failed or stopped."""

    state: str
    reason: str


@dataclass(frozen=True)
class Invitation:
    """The server's answer to Join."""

    federation_id: str
    spec_json: str
    open_digest: bytes
    open_data_size: int  # bytes; 0 if the server does not send the open set
    unix_seconds: float = 0.0  # the server's clock as it answered
    epoch: int = 1  # how often the server's store was restored from a backup, plus 1


Answer = Downlink | Idle | Ended
