"""What a federation asks of its storage. `sqlite` and `memory` implement it; one conformance suite holds both.

Parts are filed under their round and a name: a client's for an uplink, an audience's for an aggregate.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import LimbeckError
from limbeck_server.events import Fact

INLINE_BYTES = 1 << 20  # larger blocks lie in files, and work on them runs beside the event loop


class PartsKey(NamedTuple):
    """What parts are filed under. `name` is a client's for an uplink, and an audience's where `aggregate` is set.

    >>> print(PartsKey(3, "ward-7"), "|", PartsKey(3, "group:2.0", aggregate=True))
    uplink of ward-7 for round 3 | aggregate of round 3 for group:2.0
    """

    round: int
    name: str
    aggregate: bool = False

    def __str__(self) -> str:
        if not self.aggregate:
            return f"uplink of {self.name} for round {self.round}"
        return f"aggregate of round {self.round} for {self.name}"


@dataclass(frozen=True, eq=False)
class StoredParts:
    """Parts to be stored. `name` is a client's for an uplink, and an audience's where `aggregate` is set.

    `digest` (hexadecimal) is theirs, where it is known already: computing it reads them once more.
    """

    round: int
    name: str
    parts: Parts
    aggregate: bool = False
    digest: str | None = None

    @property
    def key(self) -> PartsKey:
        """What it is filed under."""
        return PartsKey(self.round, self.name, self.aggregate)


class Checkpoint(NamedTuple):
    """What the first `facts` facts add up to, as a text that means nothing to the store."""

    facts: int
    text: str


class FactStore(Protocol):
    """The journal: facts in the order in which they were decided, each chained to the one before."""

    @property
    def head(self) -> str:
        """The chain's last value (hexadecimal), which names the whole journal; empty where there are no facts."""

    @property
    def fresh(self) -> bool:
        """Whether there are no facts yet: a new federation begins here."""

    def facts(self, after: int = 0, most: int = -1) -> list[Fact]:
        """Return the facts from number `after` + 1 on, at most `most` of them; -1 for all.

        Raises:
            SettingsError: the journal is damaged.
        """

    def commit(self, facts: Sequence[Fact], blocks: Iterable[StoredParts] = ()) -> None:
        """Append facts and store parts, all or nothing; durable once this returns.

        `UplinksDeleted` deletes the uplinks of its round and of all before it.

        Raises:
            ValueError: parts of the same round and name are stored already.
        """

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a small text under a name, once; without a text return the one that is kept, or None.

        Raises:
            ValueError: a text is kept under that name already.
        """

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint, or None where there is none that belongs to these facts."""

    def keep_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint of facts that are durable, in the place of the last one."""


class BlockStore(Protocol):
    """The blocks that facts name. Each is checked against its digest whenever it is read."""

    def uplinks(self, number: int) -> Iterator[tuple[str, Parts]]:
        """Yield round `number`'s clients and their accepted parts, one in memory at a time, by client name.

        What has been yielded can be read until the iterator is done, even if the round's uplinks are deleted.

        Raises:
            DataError: a block is damaged; the error names it and its round.
        """

    def aggregate(self, number: int, audience: str) -> Parts | None:
        """Return what round `number` made for an audience, or None. Raises DataError as `uplinks`."""

    def aggregates(self, number: int) -> dict[str, Parts]:
        """Return what round `number` made, by audience. Raises DataError as `uplinks`."""

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


class DamageError(LimbeckError):
    """Something in a store is not as it was written, or cannot be read."""


class StoreReader(Protocol):
    """A store opened to be examined, not to be worked in: nothing in it is created, changed or trusted.

    Damage is an answer here. Whatever cannot be read raises DamageError, and the rest can still be asked for.
    """

    def faults(self) -> list[str]:
        """Return what the storage's own integrity check finds, a line each; none where it is sound."""

    def note(self, name: str) -> str:
        """Return the text kept under a name; empty where there is none."""

    def facts(self) -> Iterator[tuple[int, str, str]]:
        """Yield each fact's number, its line of JSON and its chain value, just as they are stored."""

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint, or None where there is none that belongs to these facts."""

    def keys(self) -> set[PartsKey]:
        """Return what the stored parts are filed under."""

    def parts(self, key: PartsKey, open_rows: int, digest: str) -> Parts:
        """Return parts whose row numbers are below `open_rows` and whose digest (hexadecimal) is `digest`.

        Raises:
            DamageError: it cannot be read, has another digest, or is stored otherwise than a daemon would store it.
        """

    def close(self) -> None:
        """Release what the reader holds."""
