"""The journal and everything it names, in one SQLite file: facts, uplinks and teachings.

What `commit` has returned from survives a crash of the process or the machine (WAL with synchronous=FULL). Values of
more than a megabyte lie in files beside the database; their rows are written after the files are on disk.
"""

import contextlib
import fcntl
import itertools
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limbeck_common.disk import flush
from limbeck_common.errors import SettingsError
from limbeck_common.messages import Block, FileArray, Tensor
from limbeck_server.facts import Dropped, Fact, from_json, link, to_json
from limbeck_server.filing import to_block, to_row
from limbeck_server.tables import BLOCKS, FACTS, NOTES, TABLES

INLINE_BYTES = 1 << 20
TEACHER = ":"  # with a group's name behind it: under what a round's teaching is filed. No client has such a name

_ANY_POPULATION = 2**62  # rows were checked when they came in


@dataclass(frozen=True, eq=False)
class Filed:
    """A block to be stored under (round, client)."""

    round: int
    client: str
    block: Block


class Store:
    """One federation's folder. Blocking: the coordinator calls it from a thread.

    Uplinks are kept for `keep_rounds` rounds after they have been taught from, or for good where it is 0. With
    `flushes` off nothing is promised to survive the machine: for benchmarks alone.
    """

    def __init__(self, folder: Path, keep_rounds: int = 0, *, flushes: bool = True) -> None:
        self.folder = folder
        self.keep_rounds = keep_rounds
        self.blocks = folder / "blocks"
        self.blocks.mkdir(parents=True, exist_ok=True)
        self._lock = take(folder / "lock")
        self._engine = sa.create_engine(f"sqlite:///{folder / 'journal.sqlite'}")
        sa.event.listen(self._engine, "connect", _set_durable if flushes else _set_fast)
        try:
            TABLES.create_all(self._engine)
            with self._engine.connect() as connection:
                last = sa.select(FACTS.c.chain).order_by(FACTS.c.number.desc()).limit(1)
                self._chain: str = connection.execute(last).scalar() or ""
        except sa.exc.DatabaseError as error:
            self.close()
            raise SettingsError(
                f"{folder / 'journal.sqlite'} cannot be used: {error.orig}",
                expected="a limbeck journal or no file",
                remedy="name another folder with [store] path",
            ) from error
        self._sweep()

    def _sweep(self) -> None:
        """Remove files that no row names: uploads that a crash cut off, none of them acknowledged."""
        with self._engine.connect() as connection:
            named = set(connection.execute(sa.select(BLOCKS.c.file)).scalars())
        for path in self.blocks.iterdir():
            if path.name not in named:
                path.unlink()

    def new_file(self) -> Path:
        """Return the path of a file to be, for a large block."""
        return self.blocks / uuid.uuid4().hex

    def close(self) -> None:
        """Close the database, and let others have the folder."""
        self._engine.dispose()
        self._lock.close()

    def facts(self) -> list[Fact]:
        """Return the journal."""
        with self._engine.connect() as connection:
            return [from_json(row.fact) for row in connection.execute(sa.select(FACTS).order_by(FACTS.c.number))]

    def commit(self, facts: Iterable[Fact], filed: Iterable[Filed] = ()) -> None:
        """Append facts and file blocks in one transaction; durable once this returns.

        A `Dropped` fact takes the uplinks with it.
        """
        rows = [self._row(each) for each in filed]
        facts = list(facts)
        chain, lines = self._chain, []
        for fact in facts:
            line = to_json(fact)
            chain = link(chain, line)
            lines.append({"fact": line, "chain": chain})
        doomed = max((fact.round for fact in facts if isinstance(fact, Dropped)), default=0)
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sa.insert(BLOCKS), rows)
            if lines:
                connection.execute(sa.insert(FACTS), lines)
            files = _drop(connection, doomed) if doomed else []
        self._chain = chain
        for name in files:
            with contextlib.suppress(OSError):  # what is left is swept at the next start
                (self.blocks / name).unlink()

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a small text under a name, or with no text return the one kept."""
        with self._engine.begin() as connection:
            if text is not None:
                connection.execute(sa.insert(NOTES).values(name=name, text=text))
            return connection.execute(sa.select(NOTES.c.text).where(NOTES.c.name == name)).scalar()

    def uplinks(self, number: int) -> Iterator[tuple[str, Block]]:
        """Yield a round's clients and their accepted blocks, one at a time, by client name."""
        query = sa.select(BLOCKS.c.client).where(BLOCKS.c.round == number, ~BLOCKS.c.client.startswith(TEACHER))
        with self._engine.connect() as connection:
            names = connection.execute(query.order_by(BLOCKS.c.client)).scalars().all()
        for name in names:
            block = self._find(number, name)
            if block is not None:
                yield name, block

    def teaching(self, number: int, group: str = "") -> Block | None:
        """Return what a round taught a group; none where it taught nothing."""
        return self._find(number, TEACHER + group)

    def teachings(self, number: int) -> dict[str, Block]:
        """Return what a round taught each group."""
        query = sa.select(BLOCKS).where(BLOCKS.c.round == number, BLOCKS.c.client.startswith(TEACHER))
        with self._engine.connect() as connection:
            return {row.client.removeprefix(TEACHER): self._block(row) for row in connection.execute(query)}

    def collect(self, parts: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of rows as one array: in memory, or in a file where it is large."""
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
        path, rows, dtype = self.new_file(), 0, taken[0].dtype.newbyteorder("<")
        with path.open("wb") as file:
            for part in itertools.chain(taken, parts):
                file.write(np.ascontiguousarray(part, dtype).data)
                rows += len(part)
        return FileArray(path, 0, dtype, (rows, *taken[0].shape[1:]))

    def _find(self, number: int, name: str) -> Block | None:
        query = sa.select(BLOCKS).where(BLOCKS.c.round == number, BLOCKS.c.client == name)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._block(row)

    def _row(self, filed: Filed) -> dict[str, Any]:
        row: dict[str, Any] = {"round": filed.round, "client": filed.client} | to_row(filed.block)
        if row["file"]:
            flush(self.blocks / row["file"])
            flush(self.blocks)
        return row

    def _block(self, row: sa.Row[Any]) -> Block:
        return to_block(row._asdict(), self.blocks, _ANY_POPULATION)


def take(path: Path) -> TextIO:
    """Lock a folder for this process; the lock goes with the process, however it ends."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SettingsError(
            f"another daemon works in {path.parent}", remedy="stop it, or name another folder with --store"
        ) from error
    return file


def _set_durable(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _set_fast(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")


def _drop(connection: sa.Connection, through: int) -> list[str]:
    """Delete the uplinks of rounds up to `through`, and return the files that held the large ones."""
    old = (BLOCKS.c.round <= through, ~BLOCKS.c.client.startswith(TEACHER))
    files = connection.execute(sa.select(BLOCKS.c.file).where(*old, BLOCKS.c.file.is_not(None))).scalars().all()
    connection.execute(sa.delete(BLOCKS).where(*old))
    return list(files)
