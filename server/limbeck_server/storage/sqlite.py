"""The journal and everything it names, in one SQLite file: facts, uplinks and aggregates.

What `commit` has returned from survives a crash of the process or the machine (WAL with synchronous=FULL). Values of
more than a megabyte lie in files beside the database; their rows are written after the files are on disk.
"""

import contextlib
import itertools
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limbeck_common.core.errors import SettingsError, SetupError, StoreFullError
from limbeck_common.core.messages import Block, FileArray, Tensor
from limbeck_common.support.disk import flush, take
from limbeck_server.events import Fact, UplinksDeleted, from_json, link, to_json
from limbeck_server.storage.block_rows import to_block, to_row
from limbeck_server.storage.protocols import INLINE_BYTES, StoredBlock
from limbeck_server.storage.tables import BLOCKS, FACTS, NOTES, TABLES

RESERVE_BYTES = 32 << 20  # of the disk, for the journal to go on when uplinks are refused already
TEACHER = ":"  # with a group's name behind it: under what a round's aggregate is blocks. No client has such a name

_ANY_POPULATION = 2**62  # rows were checked when they came in


class SqliteStore:
    """One federation's folder. Blocking: the coordinator calls it from a thread.

    Uplinks are kept for `keep_rounds` rounds after they have been taught from, or for good where it is 0. With
    `flushes` off nothing is promised to survive the machine: for benchmarks alone.

    Raises:
        SettingsError: the folder cannot be used, is in use, or holds something else.
    """

    def __init__(self, folder: Path, keep_rounds: int = 0, *, flushes: bool = True) -> None:
        self.folder = folder
        self.keep_rounds = keep_rounds
        self.blocks = folder / "blocks"
        try:
            self.blocks.mkdir(parents=True, exist_ok=True)
            self._lock = take(folder / "lock")
        except OSError as error:
            raise _unusable(folder, error) from error
        self._engine = sa.create_engine(f"sqlite:///{folder / 'journal.sqlite'}")
        sa.event.listen(self._engine, "connect", _set_durable if flushes else _set_fast)
        try:
            TABLES.create_all(self._engine)
            with self._engine.connect() as connection:
                last = sa.select(FACTS.c.chain).order_by(FACTS.c.number.desc()).limit(1)
                self._chain: str = connection.execute(last).scalar() or ""
            self._sweep()
        except OSError as error:
            self.close()
            raise _unusable(folder, error) from error
        except (sa.exc.DatabaseError, ValueError) as error:  # SQLite's words may quote bytes that are no text
            self.close()
            raise SettingsError(
                f"{folder / 'journal.sqlite'} cannot be used: {getattr(error, 'orig', error)}",
                expected="a limbeck journal or no file",
                remedy="name another folder with [store] path",
            ) from error

    def _sweep(self) -> None:
        """Remove files that no row names: uploads that a crash cut off, none of them acknowledged."""
        with self._engine.connect() as connection:
            named = set(connection.execute(sa.select(BLOCKS.c.file)).scalars())
        for path in self.blocks.iterdir():
            if path.name not in named and not path.is_dir():
                path.unlink()

    def new_file(self, size: int) -> Path:
        """Return the path of a file to be, for a large block of `size` bytes.

        Raises:
            StoreFullError: there is no room for it.
        """
        self.check_room(size)
        return self.blocks / uuid.uuid4().hex

    def check_room(self, size: int = 0) -> None:
        """Raise StoreFullError unless the disk has room for `size` more bytes and for the journal."""
        free = shutil.disk_usage(self.blocks).free
        if free < size + RESERVE_BYTES:
            raise StoreFullError(
                f"the server's disk has {free} bytes left",
                expected=f"{size + RESERVE_BYTES}",
                remedy="try again when its operator has made room",
            )

    def close(self) -> None:
        """Close the database, and let others have the folder."""
        self._engine.dispose()
        self._lock.close()

    def facts(self, after: int = 0, most: int = -1) -> list[Fact]:
        """Return the journal from the fact after number `after` on, `most` facts of it; -1 for all.

        Raises:
            SettingsError: it is damaged.
        """
        query = sa.select(FACTS.c.fact).where(FACTS.c.number > after).order_by(FACTS.c.number).limit(most)
        with self._reading() as connection:
            return [from_json(str(line)) for line in connection.execute(query).scalars()]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sa.exc.DatabaseError, ValueError) as error:
            raise SettingsError(
                f"the journal in {self.folder} is damaged: {' '.join(str(error).split())[:200]}",
                remedy=f"see what is: limbeck-server audit --store {self.folder}",
            ) from error

    def commit(self, facts: Iterable[Fact], blocks: Iterable[StoredBlock] = ()) -> None:
        """Append facts and file blocks in one transaction; durable once this returns.

        A `UplinksDeleted` fact takes the uplinks with it.
        """
        rows = [self._row(each) for each in blocks]
        facts = list(facts)
        chain, lines = self._chain, []
        for fact in facts:
            line = to_json(fact)
            chain = link(chain, line)
            lines.append({"fact": line, "chain": chain})
        doomed = max((fact.round for fact in facts if isinstance(fact, UplinksDeleted)), default=0)
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sa.insert(BLOCKS), rows)
            if lines:
                connection.execute(sa.insert(FACTS), lines)
            files = _drop(connection, doomed) if doomed else []
        self._chain = chain
        if doomed:
            self._forget(files)

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a small text under a name, or with no text return the one kept."""
        with self._engine.begin() as connection:
            if text is not None:
                connection.execute(sa.insert(NOTES).values(name=name, text=text))
            return connection.execute(sa.select(NOTES.c.text).where(NOTES.c.name == name)).scalar()

    def uplinks(self, number: int) -> Iterator[tuple[str, Block]]:
        """Yield a round's clients and their accepted blocks, one at a time, by client name."""
        query = sa.select(BLOCKS.c.client).where(BLOCKS.c.round == number, ~BLOCKS.c.client.startswith(TEACHER))
        with self._reading() as connection:
            names = connection.execute(query.order_by(BLOCKS.c.client)).scalars().all()
        for name in names:
            block = self._find(number, name)
            if block is not None:
                yield name, block

    def aggregate(self, number: int, group: str = "") -> Block | None:
        """Return what a round taught a group; none where it taught nothing."""
        return self._find(number, TEACHER + group)

    def aggregates(self, number: int) -> dict[str, Block]:
        """Return what a round taught each group."""
        query = sa.select(BLOCKS).where(BLOCKS.c.round == number, BLOCKS.c.client.startswith(TEACHER))
        with self._reading() as connection:
            return {row.client.removeprefix(TEACHER): self._block(row) for row in connection.execute(query)}

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of rows as one array: in memory, or in a file where it is large.

        Raises:
            SetupError: the file cannot be written.
        """
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

    def _find(self, number: int, name: str) -> Block | None:
        query = sa.select(BLOCKS).where(BLOCKS.c.round == number, BLOCKS.c.client == name)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._block(row)

    def _forget(self, files: Iterable[str]) -> None:
        """Remove what a committed `UplinksDeleted` left outside the database: files, and pages in the log."""
        for name in files:
            with contextlib.suppress(OSError):  # what is left is swept at the next start
                (self.blocks / name).unlink()
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _row(self, blocks: StoredBlock) -> dict[str, Any]:
        row: dict[str, Any] = {"round": blocks.round, "client": TEACHER * blocks.aggregate + blocks.name} | to_row(
            blocks.block
        )
        if row["file"]:
            flush(self.blocks / row["file"])
            flush(self.blocks)
        return row

    def _block(self, row: sa.Row[Any]) -> Block:
        return to_block(row._asdict(), self.blocks, _ANY_POPULATION)


def _unusable(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{folder} cannot be used: {error.strerror}",
        expected="a folder to write to",
        remedy="name another with --store, or see to its owner and permissions",
    )


def _set_durable(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # what `keep_rounds` deletes is overwritten


def _set_fast(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")


def _drop(connection: sa.Connection, through: int) -> list[str]:
    """Delete the uplinks of rounds up to `through`, and return the files that held the large ones."""
    old = (BLOCKS.c.round <= through, ~BLOCKS.c.client.startswith(TEACHER))
    files = connection.execute(sa.select(BLOCKS.c.file).where(*old, BLOCKS.c.file.is_not(None))).scalars().all()
    connection.execute(sa.delete(BLOCKS).where(*old))
    return list(files)
