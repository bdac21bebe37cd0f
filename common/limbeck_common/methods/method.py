"""What a method is: both halves of a paper, the server's and the client's.

A method holds no state. What changes lies where a restart finds it: in the aggregates, which the server's journal
keeps, and in a participant's learners and memory, which its state file keeps.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from limbeck_common.core.exact_sums import ParameterTally, Tally
from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Shapes
from limbeck_common.core.spec import Section, Spec
from limbeck_common.core.tensors import Tensor
from limbeck_common.learning.participant import Participant

Uplinks = Callable[[], Iterator[Block]]
"""A round's blocks by client name, one in memory at a time; each call starts again."""


class ServerContext(Protocol):
    """What the server's half knows of the federation."""

    @property
    def spec(self) -> Spec:
        """The federation's specification."""

    @property
    def models(self) -> Mapping[str, Shapes]:
        """The architectures that the method named: their parameters' shapes, by group."""

    def aggregate(self, number: int, group: str = "") -> Block | None:
        """Return the block of round `number`'s aggregate for a group; None if it has none."""


class ServerRound(Protocol):
    """The uplinks of one round."""

    @property
    def context(self) -> ServerContext:
        """See `ServerContext`."""

    @property
    def number(self) -> int:
        """The round's number, from 1."""

    @property
    def ask(self) -> Ask:
        """What the round asked of each participant."""

    @property
    def tally(self) -> Tally:
        """The exact sums of predictions."""

    @property
    def models(self) -> Mapping[str, ParameterTally]:
        """The exact sums of parameters, by group; a group without an uplink is absent."""

    def uplinks(self) -> Iterator[tuple[str, Block]]:
        """Yield each client's name and block, by name, one in memory at a time."""

    def stacks(self) -> Iterator[NDArray[Any]]:
        """Yield slices of all predictions, shape [clients, rows, classes], clients by name. None may be partial."""

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of rows as one array: in memory, or in a file if it is large."""


class Method(Section, ABC):
    """A method and its options.

    `one_start`: all participants' learners start from the same weights. `refines`: `server_refine` is called before a
    round's aggregate goes out. `needs_open`: the method can do nothing without open rows. `sends`: what leaves a
    client, so that its owner can refuse before any work is done.
    """

    one_start: ClassVar[bool] = False
    refines: ClassVar[bool] = False
    needs_open: ClassVar[bool] = True
    sends: ClassVar[Kind | None] = None

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name the models whose parameters the method takes, by group. `server_model` is the server's own."""
        return {}

    @abstractmethod
    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: say what round `number` asks of each participant."""

    def server_decode(self, context: ServerContext, number: int, block: Block) -> Block:
        """Server: return a block, which has the form that was asked for, as it is to be checked and added.

        Raises:
            RefusalError: it cannot be decoded.
        """
        return block

    @abstractmethod
    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: turn a round's uplinks into its aggregate."""

    def server_refine(self, participant: Participant, uplinks: Uplinks, aggregate: Aggregate, number: int) -> Aggregate:
        """Server, in the process of its own model: refine round `number`'s aggregate where that takes a model.

        The server's participant has learned from the aggregates of all earlier rounds. It will learn from the block for
        the group SERVER, if there is one; after a restart, that block is all that is left of this call.
        """
        return aggregate

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:
        """Server: return the block that a client of `group` learns from at the start of round `number`.

        That is the last aggregate's block for its group, or else the one for all. `learned` is the last round that the
        client has begun, 0 for none: it has learned from the aggregates of the rounds before that one.
        """
        return context.aggregate(number - 1, group) or context.aggregate(number - 1)

    @abstractmethod
    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train on the private rows, and return the block that round `number` asks for."""

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client and server's model: return the metrics of the participant's learners."""
        return participant.measure()

    @abstractmethod
    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server's model: learn from round `number`'s aggregate."""
