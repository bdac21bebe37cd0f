"""What a method is: both halves of a paper, the server's and the client's.

A method holds no state. What changes lies where a restart finds it: in what the server has taught, which the journal
keeps, and in a client's learners and notes, which its state file keeps.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from limbeck_common.core.exact_sums import ParameterTally, Tally
from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Shapes, Tensor
from limbeck_common.core.spec import Section, Spec
from limbeck_common.learning.participant import Participant

Uplinks = Callable[[], Iterator[Block]]


class ServerContext(Protocol):
    """What the server's half stands on."""

    @property
    def spec(self) -> Spec:
        """The federation's specification."""

    @property
    def models(self) -> Mapping[str, Shapes]:
        """The architectures that the method named, by group: shapes by parameter name."""

    def aggregate(self, number: int, group: str = "") -> Block | None:
        """Return what round `number` taught a group; None where it taught nothing."""


class ServerRound(Protocol):
    """What a round's participants brought."""

    @property
    def context(self) -> ServerContext:
        """See `ServerContext`."""

    @property
    def number(self) -> int:
        """The round."""

    @property
    def ask(self) -> Ask:
        """What was asked."""

    @property
    def tally(self) -> Tally:
        """The exact sums of predictions."""

    @property
    def models(self) -> Mapping[str, ParameterTally]:
        """The exact sums of parameters, by group; a group that brought nothing is not there."""

    def uplinks(self) -> Iterator[tuple[str, Block]]:
        """Yield each client's name and block, by name, one in memory at a time."""

    def stacks(self) -> Iterator[NDArray[Any]]:
        """Yield slices of all the predictions, shape [clients, rows, classes], clients by name. None may be partial."""

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of rows as one array: in memory, or in a file where it is large."""


class Method(Section, ABC):
    """One method with its options."""

    one_start: ClassVar[bool] = False  # all parties' learners start from the same weights
    refines: ClassVar[bool] = False  # `refine` is called before a round's aggregate goes out
    needs_open: ClassVar[bool] = True  # there is nothing to do without open rows
    sends: ClassVar[Kind | None] = None  # what leaves a client, so that its owner can refuse before the work is done

    def architectures(self, server_model: str) -> dict[str, str]:  # noqa: ARG002 - for those that override it
        """Server: return the models whose parameters it takes, by group. `server_model` is the server's own."""
        return {}

    @abstractmethod
    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: say what round `number` asks of each participant."""

    def server_decode(self, context: ServerContext, number: int, block: Block) -> Block:  # noqa: ARG002 - for those that override it
        """Server: return a block, of the ask's form, as it is to be checked and added up.

        Raises:
            RefusalError: it cannot be decoded.
        """
        return block

    @abstractmethod
    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: turn what a round brought into its aggregate."""

    def server_refine(self, participant: Participant, uplinks: Uplinks, aggregate: Aggregate, number: int) -> Aggregate:  # noqa: ARG002
        """Server, in the process of its own model: better round `number`'s aggregate with what only a model can do.

        `uplinks` yields the round's blocks by client name, one in memory at a time; it may be called again. The
        server's participant has learned what the rounds before taught. A block for the group SERVER is what it will
        learn from this one; after a restart that is all that is left of the call.
        """
        return aggregate

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:  # noqa: ARG002
        """Server: return what a client of `group` is taught at the start of round `number`.

        `learned` is the last round that it has begun, 0 for none: it has learned what the rounds before that taught.
        """
        return context.aggregate(number - 1, group)

    @abstractmethod
    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train on the private data, and return the block that round `number` asks for."""

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client, and the server's own model: return what a visit reports of the participant's learners."""
        return participant.measure()

    @abstractmethod
    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client, and the server's own model: learn from what round `number` taught."""
