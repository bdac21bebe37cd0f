"""What a method sees on the server: the rounds so far, and the open one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Block, Parts, Rows, Shapes
from limbeck_common.core.exact_sums import ParameterTally, Tally
from limbeck_common.core.messages import ALL, Aggregate
from limbeck_common.core.seeds import Sample, derive
from limbeck_common.core.sparse_sums import SparseTally
from limbeck_common.core.spec import Spec
from limbeck_common.learning.participant import Participant


class PastRounds(Protocol):
    """The federation, and what its rounds have made so far."""

    @property
    def spec(self) -> Spec:
        """The federation's specification."""

    @property
    def architectures(self) -> Mapping[str, Shapes]:
        """The shapes of the parameters of each architecture that the method named, by its name."""

    def aggregate(self, number: int, audience: str = ALL) -> Parts | None:
        """Return what round `number` made for an audience: see `Aggregate`. None where it made nothing."""


class ServerRound(PastRounds, Protocol):
    """A round, from its plan to its aggregate. There are no uplinks yet when it is planned.

    >>> def server_aggregate(self, server: ServerRound):
    ...     "Return the mean of all clients' labels, row by row."
    ...     return {"labels": server.map_mean("labels", lambda mean: mean)}
    """

    @property
    def number(self) -> int:
        """The round's number, from 1."""

    def rows(self, part: str) -> Rows:
        """Return the open rows or classes that a part was asked for."""

    def tally(self, part: str) -> Tally | SparseTally:
        """Return the exact sums of a part by row."""

    def models(self, part: str) -> Mapping[str, ParameterTally]:
        """Return the exact sums of a part's parameters, by architecture; one without an uplink is absent."""

    def means(self, part: str) -> Iterator[NDArray[np.float64]]:
        """Yield a part's means over the uplinks, of the rows that any has answered, in slices [rows, *row_shape]."""

    def uplinks(self) -> Iterator[tuple[str, Parts]]:
        """Yield each client's name and its parts, by name, one in memory at a time."""

    def stacks(self, part: str) -> Iterator[NDArray[Any]]:
        """Yield slices of all of a part, shape [clients, rows, *row_shape], clients by name. None may be partial."""

    def block(self, part: str, values: Iterable[NDArray[Any]], rows: Rows | None = None) -> Block:
        """Return values as a part of the aggregate, in the form that the method declares for it.

        They come in slices [rows, *row_shape], so that a large block is never in memory. Without `rows` they are for
        the rows that the part was asked for.
        """

    def map_mean(self, part: str, change: Callable[[NDArray[np.float64]], NDArray[Any]]) -> Block:
        """Return a part's means, each slice changed, as the aggregate's part of the same name."""


@dataclass(frozen=True)
class Recipient:
    """A client that is about to begin round `round`, and what it has learned.

    `learned` is the last round that it has begun, 0 for none: it has learned from the aggregates of the rounds before
    that one.
    """

    round: int
    group: str = ""
    architecture: str = ""
    learned: int = 0


@dataclass(frozen=True, eq=False)
class Refinement:
    """A round's aggregate on its way through the server's own model, in that model's process.

    The participant has learned from the aggregates of all earlier rounds. `uplinks` yields the round's contributions by
    client name, one in memory at a time; each call starts again.

    >>> def server_refine(self, refinement: Refinement):
    ...     "Count the round's uplinks, and leave its aggregate as it is."
    ...     assert sum(1 for _ in refinement.uplinks()) > 0
    ...     return refinement.aggregate
    """

    participant: Participant
    number: int
    aggregate: Aggregate
    uplinks: Callable[[], Iterator[Parts]]

    @property
    def spec(self) -> Spec:
        """The federation's specification."""
        return self.participant.spec


def open_sample(spec: Spec, number: int, count: int) -> Rows:
    """Return round `number`'s sample of `count` open rows, or all rows if there are fewer.

    Drawn uniformly and without replacement, the same on every machine.

    >>> from limbeck_common.core.spec import Output
    >>> spec = Spec(output=Output(width=2), sample_shape=(3,), sample_dtype="<f4", open_rows=1000)
    >>> open_sample(spec, number=1, count=4).indices
    array([304, 330, 536, 820])
    """
    return Rows.drawn(Sample(derive(spec.seed, "open rows", number), min(count, spec.open_rows), spec.open_rows))
