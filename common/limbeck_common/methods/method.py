"""What a method is: both halves of a paper, the server's and the client's.

A method holds no state. What changes lies where a restart finds it: in what the server has taught, which the journal
keeps, and in a client's learners and notes, which its state file keeps.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from limbeck_common.core.exact_sums import ParameterTally, Tally
from limbeck_common.core.messages import Block, Kind, Rows, Shapes, Task, Teaching, Tensor
from limbeck_common.core.spec import Section, Spec
from limbeck_common.learning.participant import Party

Uplinks = Callable[[], Iterator[Block]]


class Ground(Protocol):
    """What the server's half stands on."""

    @property
    def spec(self) -> Spec:
        """The federation's specification."""

    @property
    def models(self) -> Mapping[str, Shapes]:
        """The architectures that the method named, by group: shapes by parameter name."""

    def teaching(self, number: int, group: str = "") -> Block | None:
        """Return what round `number` taught a group; None where it taught nothing."""


class Gathered(Protocol):
    """What a round's participants brought."""

    @property
    def ground(self) -> Ground:
        """See `Ground`."""

    @property
    def number(self) -> int:
        """The round."""

    @property
    def task(self) -> Task:
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
    refines: ClassVar[bool] = False  # `refine` is called before a round's teaching goes out
    needs_open: ClassVar[bool] = True  # there is nothing to do without open rows
    sends: ClassVar[Kind | None] = None  # what leaves a client, so that its owner can refuse before the work is done

    def architectures(self, server_model: str) -> dict[str, str]:  # noqa: ARG002 - for those that override it
        """Server: return the models whose parameters it takes, by group. `server_model` is the server's own."""
        return {}

    @abstractmethod
    def plan(self, ground: Ground, number: int) -> Task:
        """Server: say what round `number` asks of each participant."""

    def receive(self, ground: Ground, number: int, block: Block) -> Block:  # noqa: ARG002 - for those that override it
        """Server: return a block, of the task's form, as it is to be checked and added up.

        Raises:
            RefusalError: it cannot be decoded.
        """
        return block

    @abstractmethod
    def teach(self, gathered: Gathered) -> Teaching:
        """Server: turn what a round brought into its teaching."""

    def refine(self, party: Party, uplinks: Uplinks, teaching: Teaching, number: int) -> Teaching:  # noqa: ARG002
        """Server, in the process of its own model: better round `number`'s teaching with what only a model can do.

        `uplinks` yields the round's blocks by client name, one in memory at a time; it may be called again. The party
        has learned what the rounds before taught. A block for the group SERVER is what it will `learn` from this one;
        after a restart that is all that is left of the call.
        """
        return teaching

    def brief(self, ground: Ground, number: int, group: str, learned: int) -> Block | None:  # noqa: ARG002
        """Server: return what a client of `group` is taught at the start of round `number`.

        `learned` is the last round that it has begun, 0 for none: it has learned what the rounds before that taught.
        """
        return ground.teaching(number - 1, group)

    @abstractmethod
    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:
        """Client: train on the private data, and return the block that round `number` asks for."""

    def figures(self, party: Party) -> dict[str, float]:
        """Client, and the server's own model: return what a visit reports of the party's learners."""
        return party.measure()

    @abstractmethod
    def learn(self, party: Party, teaching: Block, number: int) -> None:
        """Client, and the server's own model: learn from what round `number` taught."""
