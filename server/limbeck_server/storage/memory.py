"""A store in memory, gone with its process: for simulations and tests."""

import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Parts
from limbeck_server.events import Fact, UplinksDeleted, from_json, link, to_json
from limbeck_server.storage.block_rows import RowReader, gather, to_row
from limbeck_server.storage.limits import check_disk
from limbeck_server.storage.protocols import Checkpoint, PartsKey, StoredParts


class MemoryStore:
    """Lists and dicts. Implements `limbeck_server.storage.protocols.Store`, and keeps nothing beyond `close`.

    Blocks are encoded as a durable store encodes them, so that what is read back is the same to the bit. Only
    uploads that come in by `new_file` touch a disk, in a temporary folder.

    >>> store = MemoryStore()
    >>> store.note("spec", "{}")
    '{}'
    >>> store.fresh, store.facts()
    (True, [])
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._head = ""
        self._notes: dict[str, str] = {}
        self._checkpoint: Checkpoint | None = None
        self._parts: dict[PartsKey, dict[str, Any]] = {}
        self._folder = Path(tempfile.gettempdir()) / f"limbeck-{uuid.uuid4().hex}"  # made for the first file
        self._rows = RowReader(self._folder)
        self._lock = threading.Lock()  # commits come from another thread than reads

    @property
    def head(self) -> str:
        """The chain's last value (hexadecimal); empty where there are no facts."""
        return self._head

    @property
    def fresh(self) -> bool:
        """Whether there are no facts yet."""
        return not self._lines

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def facts(self, after: int = 0, most: int = -1) -> list[Fact]:
        """Return facts by their order. See `FactStore.facts`."""
        return [from_json(line) for line in self._lines[after : None if most < 0 else after + most]]

    def commit(self, facts: Sequence[Fact], blocks: Iterable[StoredParts] = ()) -> None:
        """Append facts and store parts, all or nothing. See `FactStore.commit`."""
        lines = [to_json(fact) for fact in facts]
        new: dict[PartsKey, dict[str, Any]] = {}
        for each in blocks:
            if each.key in self._parts or each.key in new:
                raise ValueError(f"it is stored already: {each.key}")
            new[each.key] = to_row(gather(each.parts, self.new_file), each.digest)
        last = max((fact.round for fact in facts if isinstance(fact, UplinksDeleted)), default=0)
        with self._lock:
            for line in lines:
                self._head = link(self._head, line)
            self._lines += lines
            self._parts |= new
            old = [key for key in self._parts if not key.aggregate and key.round <= last]
            files = [self._parts.pop(key)["file"] for key in old]
        self._rows.delete(name for name in files if name is not None)

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint. See `FactStore.checkpoint`."""
        return self._checkpoint

    def keep_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint. See `FactStore.keep_checkpoint`."""
        self._checkpoint = checkpoint

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a text under a name, or return the one that is kept. See `FactStore.note`."""
        if text is not None:
            if name in self._notes:
                raise ValueError(f"it is stored already: the note {name!r}")
            self._notes[name] = text
        return self._notes.get(name)

    def uplinks(self, number: int) -> Iterator[tuple[str, Parts]]:
        """Yield a round's clients and their blocks. See `BlockStore.uplinks`."""
        with self._rows.reading():
            for key in self._list(number, aggregate=False):
                parts = self._find(key)
                if parts is not None:  # or they were deleted meanwhile
                    yield key.name, parts

    def aggregate(self, number: int, audience: str) -> Parts | None:
        """Return what a round made for an audience. See `BlockStore.aggregate`."""
        return self._find(PartsKey(number, audience, aggregate=True))

    def aggregates(self, number: int) -> dict[str, Parts]:
        """Return what a round made, by audience. See `BlockStore.aggregates`."""
        found = ((key.name, self._find(key)) for key in self._list(number, aggregate=True))
        return {audience: parts for audience, parts in found if parts is not None}

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices as one array in memory, whatever its size."""
        taken = list(parts)
        return np.concatenate(taken) if taken else np.zeros((0, 0), np.float32)

    def new_file(self, size: int) -> Path:
        """Return the path of a file for a block that is about to arrive. See `BlockStore.new_file`."""
        self.check_room(size)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder / uuid.uuid4().hex

    def check_room(self, size: int = 0) -> None:
        """Raise StoreFullError unless the disk of the temporary folder has room for `size` more bytes."""
        if size:
            check_disk(self._folder.parent, size)

    def _list(self, number: int, *, aggregate: bool) -> list[PartsKey]:
        with self._lock:
            return sorted(key for key in self._parts if key.round == number and key.aggregate is aggregate)

    def _find(self, key: PartsKey) -> Parts | None:
        row = self._parts.get(key)
        return None if row is None else self._rows.read(key, row)
