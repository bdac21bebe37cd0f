"""A store in one folder: an SQLite file for the journal and small blocks, and files beside it for large ones.

What `commit` has returned from survives a crash of the process or the machine (WAL with synchronous=FULL). Values of
more than a megabyte lie in files of their own; their rows are written after the files are on disk.
"""

import contextlib
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import DataError, SettingsError, SetupError, StoreFullError
from limbeck_common.support.disk import flush, take
from limbeck_server.events import Fact, UplinksDeleted
from limbeck_server.storage import checkpoint_file, database
from limbeck_server.storage.block_rows import RowReader, gather, to_row
from limbeck_server.storage.database import AGGREGATES, NOTES, UPLINKS
from limbeck_server.storage.limits import check_disk
from limbeck_server.storage.protocols import INLINE_BYTES, Checkpoint, PartsKey, StoredParts

_UPLINKS_AT_ONCE = 16  # in memory, of a megabyte at most


class SqliteStore:
    """One federation's folder, locked for this process. Implements `limbeck_server.storage.protocols.Store`.

    With `flushes` off nothing is promised to survive the machine: for benchmarks alone.

    Raises:
        SettingsError: the folder cannot be used, is in use, holds something else, or has lost its journal.
    """

    def __init__(self, folder: Path, *, flushes: bool = True) -> None:
        self.folder = folder
        self.blocks = folder / database.FOLDER
        self._rows = RowReader(self.blocks)
        with contextlib.ExitStack() as undo, _usable(folder):
            self.blocks.mkdir(parents=True, exist_ok=True)
            self._lock = undo.enter_context(take(folder / "lock"))
            journal = folder / database.JOURNAL
            if not journal.exists():
                database.check_not_emptied(folder)  # and make no journal
            self._engine = database.open_to_write(journal, flushes=flushes)
            undo.callback(self._engine.dispose)
            with self._engine.connect() as connection:
                self._head = database.read_head(connection)
            if self.fresh:
                database.check_not_emptied(folder)
                flush(folder)
            self._sweep()
            undo.pop_all()

    def _sweep(self) -> None:
        """Remove files that no row names: uploads that a crash cut off, none of them acknowledged."""
        with self._engine.connect() as connection:
            named = database.files(connection)
        for path in self.blocks.iterdir():
            if path.name not in named and not path.is_dir():
                path.unlink()

    @property
    def head(self) -> str:
        """The chain's last value (hexadecimal); empty where there are no facts."""
        return self._head

    @property
    def fresh(self) -> bool:
        """Whether there are no facts yet."""
        return not self._head

    def close(self) -> None:
        """Close the database, and let others have the folder."""
        self._engine.dispose()
        self._lock.close()

    def facts(self, after: int = 0, most: int = -1) -> list[Fact]:
        """Return facts by their order. See `FactStore.facts`."""
        try:
            with self._engine.connect() as connection:
                return database.read_facts(connection, after, most)
        except (sa.exc.DatabaseError, ValueError) as error:
            raise SettingsError(
                f"the journal in {self.folder} is damaged: {database.describe(error)}",
                remedy=f"see what is: limbeck-server audit --store {self.folder}",
            ) from error

    def commit(self, facts: Sequence[Fact], blocks: Iterable[StoredParts] = ()) -> None:
        """Append facts and store parts in one transaction, durable once this returns. See `FactStore.commit`."""
        uplinks: list[dict[str, Any]] = []
        aggregates: list[dict[str, Any]] = []
        for each in blocks:
            row = {"round": each.round, "name": each.name} | to_row(gather(each.parts, self.new_file), each.digest)
            (aggregates if each.aggregate else uplinks).append(row)
        files = [row["file"] for row in uplinks + aggregates if row["file"]]
        for name in files:
            flush(self.blocks / name)
        if files:
            flush(self.blocks)  # their names, too
        last = max((fact.round for fact in facts if isinstance(fact, UplinksDeleted)), default=0)
        deleted: list[str] = []
        with self._transaction() as connection:
            if uplinks:
                database.insert(connection, UPLINKS, uplinks)
            if aggregates:
                database.insert(connection, AGGREGATES, aggregates)
            head = database.append(connection, self._head, facts)
            if last:
                deleted = _delete_uplinks(connection, last)
        self._head = head
        if last:
            self._erase(deleted)

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint. See `FactStore.checkpoint`."""
        return checkpoint_file.read(self.folder, self._chain_of)

    def keep_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, in a file beside the journal. See `FactStore.keep_checkpoint`."""
        checkpoint_file.write(self.folder, checkpoint, self._chain_of(checkpoint.facts))

    def _chain_of(self, number: int) -> str:
        with self._engine.connect() as connection:
            return database.read_chain(connection, number)

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a text under a name, or return the one that is kept. See `FactStore.note`."""
        with self._transaction() as connection:
            if text is not None:
                connection.execute(sa.insert(NOTES).values(name=name, text=text))
            return connection.execute(sa.select(NOTES.c.text).where(NOTES.c.name == name)).scalar()

    def uplinks(self, number: int) -> Iterator[tuple[str, Parts]]:
        """Yield a round's clients and their blocks. See `BlockStore.uplinks`."""
        with self._rows.reading():
            last = ""
            while rows := self._next_uplinks(number, last):
                for row in rows:
                    yield row["name"], self._rows.read(PartsKey(number, row["name"]), row)
                last = rows[-1]["name"]

    def aggregate(self, number: int, audience: str) -> Parts | None:
        """Return what a round made for an audience. See `BlockStore.aggregate`."""
        return self._find(PartsKey(number, audience, aggregate=True))

    def aggregates(self, number: int) -> dict[str, Parts]:
        """Return what a round made, by audience. See `BlockStore.aggregates`."""
        found = ((key.name, self._find(key)) for key in self._list(AGGREGATES, number))
        return {audience: parts for audience, parts in found if parts is not None}

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices as one array, in a file if it takes more than a megabyte. See `BlockStore.collect`."""
        taken: list[NDArray[Any]] = []
        size = 0
        parts = iter(parts)
        for part in parts:
            taken.append(part)
            size += part.nbytes
            if size > INLINE_BYTES:
                break
        else:
            return np.concatenate(taken) if taken else np.zeros((0, 0), np.float32)
        rows, dtype = 0, taken[0].dtype.newbyteorder("<")
        try:
            path = self.new_file(size)
            with path.open("wb") as file:
                for part in itertools.chain(taken, parts):
                    file.write(np.ascontiguousarray(part, dtype).data)
                    rows += len(part)
        except (OSError, StoreFullError) as error:
            remedy = "see to the disk, then start the daemon again"
            raise SetupError(f"an aggregate cannot be stored: {error}", remedy=remedy) from error
        return FileArray(path, 0, dtype, (rows, *taken[0].shape[1:]))

    def new_file(self, size: int) -> Path:
        """Return the path of a file for a block that is about to arrive. See `BlockStore.new_file`."""
        self.check_room(size)
        return self.blocks / uuid.uuid4().hex

    def check_room(self, size: int = 0) -> None:
        """Raise StoreFullError unless the disk has room for `size` more bytes and for the journal."""
        check_disk(self.blocks, size)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.IntegrityError as error:
            raise ValueError(f"it is stored already: {database.describe(error)}") from error

    def _list(self, table: sa.Table, number: int) -> list[PartsKey]:
        query = sa.select(table.c.name).where(table.c.round == number).order_by(table.c.name)
        aggregate = table is AGGREGATES
        try:
            with self._engine.connect() as connection:
                return [PartsKey(number, name, aggregate) for name in connection.execute(query).scalars()]
        except (sa.exc.DatabaseError, ValueError) as error:
            raise self._damaged(f"the list of {table.name} of round {number}", error) from error

    def _next_uplinks(self, number: int, after: str) -> list[Mapping[str, Any]]:
        """Return some uplinks of a round, those of the clients that follow `after` by name."""
        try:
            with self._engine.connect() as connection:
                return database.next_rows(connection, UPLINKS, number, after, _UPLINKS_AT_ONCE)
        except (sa.exc.DatabaseError, ValueError) as error:
            raise self._damaged(f"the list of uplinks of round {number}", error) from error

    def _find(self, key: PartsKey) -> Parts | None:
        table = AGGREGATES if key.aggregate else UPLINKS
        query = sa.select(table).where(table.c.round == key.round, table.c.name == key.name)
        try:
            with self._engine.connect() as connection:
                row = connection.execute(query).one_or_none()
        except (sa.exc.DatabaseError, ValueError) as error:
            raise self._damaged(f"the {key}", error) from error
        return None if row is None else self._rows.read(key, row._asdict())

    def _damaged(self, what: str, error: Exception) -> DataError:
        remedy = f"see: limbeck-server audit --store {self.folder}"
        return DataError(f"{what} is damaged: {database.describe(error)}", remedy=remedy)

    def _erase(self, files: Iterable[str]) -> None:
        """Remove what a committed `UplinksDeleted` left outside the database: files, and pages in the log."""
        self._rows.delete(files)
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Say in one line why a folder cannot be opened as a store."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be used: {error.strerror}",
            expected="a folder to write to",
            remedy="name another with --store, or see to its owner and permissions",
        ) from error
    except (sa.exc.DatabaseError, ValueError) as error:  # SQLite's words may quote bytes that are no text
        raise SettingsError(
            f"{folder / database.JOURNAL} cannot be used: {database.describe(error)}",
            expected="a limbeck journal or no file",
            remedy="name another folder with --store",
        ) from error


def _delete_uplinks(connection: sa.Connection, last: int) -> list[str]:
    """Delete the uplinks of rounds up to `last`, and return the files that held the large ones."""
    old = UPLINKS.c.round <= last
    files = connection.execute(sa.select(UPLINKS.c.file).where(old, UPLINKS.c.file.is_not(None))).scalars().all()
    connection.execute(sa.delete(UPLINKS).where(old))
    return list(files)
