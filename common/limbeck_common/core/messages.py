"""The messages as both sides think of them: NumPy arrays and plain values, no protobuf."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.seeds import Sample

SLICE_BYTES = 1 << 20
SERVER = "server"  # the participant of the server's own model, and the group of what it alone is taught


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
    CODES = "codes"  # quantised probabilities, in a code of the method's


@dataclass(frozen=True, eq=False)
class Rows:
    """A set of row numbers. `indices` is ascending without repeats, shape [rows]."""

    indices: NDArray[np.int64]
    sample: Sample | None = None  # how they were drawn, where they were: the shortest way to name them

    def __len__(self) -> int:
        return len(self.indices)

    @classmethod
    def drawn(cls, sample: Sample) -> "Rows":
        """Return the rows of a seeded sample."""
        return cls(sample.draw(), sample)


@dataclass(frozen=True)
class FileArray:
    """An array that stays in a file and is read a slice of its first axis at a time.

    Raises:
        DataError: the file is gone, or ends before the array does.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        width = math.prod(self.shape[1:])
        skip = self.offset + start * width * self.dtype.itemsize
        count = max(0, stop - start)
        try:
            if self.path.stat().st_size < skip + count * width * self.dtype.itemsize:
                raise DataError(f"{self.path} ends early", expected=f"an array of shape {list(self.shape)}")
            flat = np.fromfile(self.path, self.dtype, count * width, offset=skip)
        except (OSError, ValueError) as error:  # a name out of a damaged journal may be none at all
            raise DataError(f"{str(self.path)!r} cannot be read: {error}") from error
        return flat.reshape(count, *self.shape[1:])


Tensor = NDArray[Any] | FileArray


def slices(tensor: Tensor) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first row, rows) in slices of about a megabyte, so that no one needs the whole in memory."""
    row_bytes = math.prod(tensor.shape[1:]) * tensor.dtype.itemsize
    step = max(1, SLICE_BYTES // max(1, row_bytes))
    for start in range(0, tensor.shape[0], step):
        yield start, tensor[start : start + step]


def nbytes(tensor: Tensor) -> int:
    """Return the array's size in bytes."""
    return math.prod(tensor.shape) * tensor.dtype.itemsize


@dataclass(frozen=True)
class Outline:
    """What is said of a block before its values are there: their kind, and element type and shape a tensor."""

    kind: Kind
    forms: tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Values by key.

    Predictions: `keys` are rows (of the open set) or classes, and `values` is one array of shape [keys, classes].
    Parameters: `keys` are names, and `values` holds one array a name.
    """

    space: Space
    keys: Rows | tuple[str, ...]
    kind: Kind
    values: tuple[Tensor, ...]
    temperature: float = 1.0
    weight: int = 1  # how many times it counts in a mean; FedAvg: the private rows behind it

    @property
    def rows(self) -> NDArray[np.int64]:
        """The keys of a block of predictions, shape [keys]."""
        if not isinstance(self.keys, Rows):
            raise TypeError("a block of parameters is keyed by names")
        return self.keys.indices

    @property
    def outline(self) -> Outline:
        """The block without its keys and values."""
        return Outline(self.kind, tuple((tensor.dtype, tensor.shape) for tensor in self.values))

    @property
    def predictions(self) -> Tensor:
        """The values of a block of predictions, shape [keys, classes]."""
        (values,) = self.values
        return values

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """The values of a block of parameters, by name."""
        if isinstance(self.keys, Rows):
            raise TypeError("a block of predictions is keyed by rows")
        return {name: np.asarray(values[:]) for name, values in zip(self.keys, self.values, strict=True)}


def soft_labels(rows: Rows, values: Tensor, temperature: float = 1.0) -> Block:
    """Return probabilities, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.PROBABILITIES, (values,), temperature)


def class_scores(rows: Rows, values: Tensor) -> Block:
    """Return class scores before a softmax, shape [rows, classes], for rows of the open set."""
    return Block(Space.OPEN, rows, Kind.LOGITS, (values,))


def parameters(values: Mapping[str, NDArray[Any]], weight: int = 1) -> Block:
    """Return a model's parameters, each float32 of any shape with an axis at least, as a block."""
    named = {name: np.atleast_1d(np.asarray(value, np.float32)) for name, value in values.items()}
    return Block(Space.PARAMETERS, tuple(named), Kind.PARAMETERS, tuple(named.values()), weight=weight)


NO_ROWS = Rows(np.zeros(0, np.int64))
Shapes = Mapping[str, tuple[int, ...]]  # of a model's parameters, by name


@dataclass(frozen=True, eq=False)
class Ask:
    """What a round asks of each participant: a block of this form."""

    space: Space
    kind: Kind
    wanted: Rows = NO_ROWS  # open rows; none where classes or parameters are asked for
    partial: bool = False  # whether a client may leave out some of the keys
    weighted: bool = False  # whether a block says how much it weighs
    dtype: str = "<f4"
    columns: int = 0  # of predictions; 0: the federation's classes
    models: Mapping[str, Shapes] = field(default_factory=dict)  # that may answer, by group: for parameters


@dataclass(frozen=True, eq=False)
class Aggregate:
    """What a round taught: a block for each group of clients, and who is in which.

    The group "" is for all who are in no other, SERVER for the server's own model where it has a block of its own.
    """

    blocks: Mapping[str, Block]
    groups: Mapping[str, str] = field(default_factory=dict)  # of clients that the method moved

    @classmethod
    def to_all(cls, block: Block) -> "Aggregate":
        """Return the same block for everyone."""
        return cls({"": block})


@dataclass(frozen=True, eq=False)
class Downlink:
    """One round's work for one client.

    In the closing round `wanted` is absent: the client learns from the last aggregate and reports its metrics. In the
    others it may be empty, where classes or parameters are asked for.
    """

    federation_id: str
    round: int
    aggregate: Block | None = None
    wanted: Rows | None = None
    deadline_seconds: float = 0.0  # from now
    closing: bool = False


@dataclass(frozen=True, eq=False)
class Uplink:
    """One client's contribution to one round, and metrics about its learner for people to read."""

    federation_id: str
    client: str
    round: int
    contribution: Block | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    digest: bytes = b""  # names the contribution: `wire.codec.block_digest`
    epoch: int = 1  # of the server's store: see `Invitation`


class Receipt(StrEnum):
    """What became of an uplink."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True)
class Idle:
    """There was no round for the client within its wait."""

    phase: str
    round: int


@dataclass(frozen=True)
class Ended:
    """The federation has ended, in `state` finished, failed or stopped."""

    state: str
    reason: str


@dataclass(frozen=True)
class Invitation:
    """The server's answer to Join."""

    federation_id: str
    spec_json: str
    open_digest: bytes
    open_data_size: int  # bytes; 0 where the server does not send the open set
    unix_seconds: float = 0.0  # the server's clock as it answered
    epoch: int = 1  # how often the server's store was restored from a backup, plus 1


Answer = Downlink | Idle | Ended
