"""What a federation asks of its storage. `sqlite` and `memory` implement it; one conformance suite holds both.

A block is filed under its round and its name: a client's for an uplink, a group's for an aggregate.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from limbeck_common.core.messages import Block, Tensor
from limbeck_server.events import Fact

INLINE_BYTES = 1 << 20  # larger blocks lie in files, and work on them runs beside the event loop


@dataclass(frozen=True, eq=False)
class StoredBlock:
    """A block to be stored. `name` is a client's for an uplink, and a group's where `aggregate` is set."""

    round: int
    name: str
    block: Block
    aggregate: bool = False


class FactStore(Protocol):
    """The journal: facts in the order in which they were decided, each chained to the one before."""

    def facts(self, after: int = 0, most: int = -1) -> list[Fact]:
        """Return the facts from number `after` + 1 on, at most `most` of them; -1 for all.

        Raises:
            SettingsError: the journal is damaged.
        """

    def commit(self, facts: Sequence[Fact], blocks: Iterable[StoredBlock] = ()) -> None:
        """Append facts and store blocks, all or nothing; durable once this returns.

        `UplinksDeleted` deletes the uplinks of its round and of all before it.
        """

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a small text under a name, once; without a text return the one that is kept, or None."""


class BlockStore(Protocol):
    """The blocks that facts name. Each is checked against its digest whenever it is read."""

    def uplinks(self, number: int) -> Iterator[tuple[str, Block]]:
        """Yield round `number`'s clients and their accepted blocks, one in memory at a time, by client name.

        Raises:
            DataError: a block is damaged; the error names it and its round.
        """

    def aggregate(self, number: int, group: str = "") -> Block | None:
        """Return what round `number` sent to a group, or None. Raises DataError as `uplinks`."""

    def aggregates(self, number: int) -> dict[str, Block]:
        """Return what round `number` sent to each group. Raises DataError as `uplinks`."""

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of rows as one array: in memory, or in a file of the store where it is large.

        Raises:
            SetupError: the file cannot be written.
        """

    def new_file(self, size: int) -> Path:
        """Return the path of a file for a large block of `size` bytes that is about to arrive.

        Raises:
            StoreFullError: there is no room for it.
        """

    def check_room(self, size: int = 0) -> None:
        """Raise StoreFullError unless there is room for `size` more bytes and for the journal."""


class Store(FactStore, BlockStore, Protocol):
    """All of a federation's storage. Every method may block: the coordinator calls it beside the event loop."""

    def close(self) -> None:
        """Release what the store holds."""
