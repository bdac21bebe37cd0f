"""The journal and everything it names, in one SQLite file: facts, uplinks and teachings.

What `commit` has returned from survives a crash of the process or the machine (WAL with synchronous=FULL). Values of
more than a megabyte lie in files beside the database; their rows are written after the files are on disk.
"""

import fcntl
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
from limbeck_common.messages import Block, FileArray, Kind, Rows, Space, Tensor, soft_labels
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1.block_pb2 import Indices
from limbeck_server.facts import Fact, from_json, to_json

INLINE_BYTES = 1 << 20
TEACHER = ""  # the client name under which a round's teaching is filed

_ANY_POPULATION = 2**62  # rows were checked when they came in

_TABLES = sa.MetaData()
_FACTS = sa.Table(
    "facts",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("fact", sa.Text, nullable=False),
)
_BLOCKS = sa.Table(
    "blocks",
    _TABLES,
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("client", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("dtype", sa.String, nullable=False),
    sa.Column("columns", sa.Integer, nullable=False),
    sa.Column("rows", sa.LargeBinary, nullable=False),
    sa.Column("values", sa.LargeBinary),
    sa.Column("file", sa.String),
)
_NOTES = sa.Table(
    "notes",
    _TABLES,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)


@dataclass(frozen=True, eq=False)
class Filed:
    """A block to be stored under (round, client)."""

    round: int
    client: str
    block: Block


class Store:
    """One federation's folder. Blocking: the coordinator calls it from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blocks = folder / "blocks"
        self.blocks.mkdir(parents=True, exist_ok=True)
        self._lock = _take(folder / "lock")
        self._engine = sa.create_engine(f"sqlite:///{folder / 'journal.sqlite'}")
        sa.event.listen(self._engine, "connect", _set_durable)
        try:
            _TABLES.create_all(self._engine)
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
            named = set(connection.execute(sa.select(_BLOCKS.c.file)).scalars())
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
            return [from_json(row.fact) for row in connection.execute(sa.select(_FACTS).order_by(_FACTS.c.number))]

    def commit(self, facts: Iterable[Fact], filed: Iterable[Filed] = ()) -> None:
        """Append facts and file blocks in one transaction; durable once this returns."""
        rows = [self._row(each) for each in filed]
        lines = [{"fact": to_json(fact)} for fact in facts]
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sa.insert(_BLOCKS), rows)
            if lines:
                connection.execute(sa.insert(_FACTS), lines)

    def note(self, name: str, text: str | None = None) -> str | None:
        """Keep a small text under a name, or with no text return the one kept."""
        with self._engine.begin() as connection:
            if text is not None:
                connection.execute(sa.insert(_NOTES).values(name=name, text=text))
            return connection.execute(sa.select(_NOTES.c.text).where(_NOTES.c.name == name)).scalar()

    def uplinks(self, number: int) -> Iterator[Block]:
        """Yield a round's accepted blocks, one at a time, by client name."""
        query = sa.select(_BLOCKS).where(_BLOCKS.c.round == number, _BLOCKS.c.client != TEACHER)
        with self._engine.connect() as connection:
            for row in connection.execute(query.order_by(_BLOCKS.c.client)):
                yield self._block(row)

    def teaching(self, number: int) -> Block | None:
        """Return a round's teaching; none where it has not been aggregated."""
        query = sa.select(_BLOCKS).where(_BLOCKS.c.round == number, _BLOCKS.c.client == TEACHER)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._block(row)

    def gather(self, rows: Rows, parts: Iterable[NDArray[np.float32]], classes: int) -> Block:
        """Gather a teaching that comes in slices: in memory, or in a file where it is large."""
        shape = (len(rows), classes)
        if 4 * len(rows) * classes <= INLINE_BYTES:
            return soft_labels(rows, np.concatenate(list(parts)))
        path = self.new_file()
        with path.open("wb") as file:
            for part in parts:
                file.write(np.ascontiguousarray(part).data)
        return soft_labels(rows, FileArray(path, 0, np.dtype("<f4"), shape))

    def _row(self, filed: Filed) -> dict[str, Any]:
        values = filed.block.predictions
        filename = values.path.name if isinstance(values, FileArray) else None
        if filename:
            flush(self.blocks / filename)
            flush(self.blocks)
        return {
            "round": filed.round,
            "client": filed.client,
            "kind": filed.block.kind,
            "dtype": values.dtype.str,
            "columns": values.shape[1],
            "rows": _rows_to_bytes(filed.block.keys),
            "values": None if filename else np.ascontiguousarray(values[:]).tobytes(),
            "file": filename,
        }

    def _block(self, row: Any) -> Block:
        rows = decode_rows(Indices.FromString(row.rows), _ANY_POPULATION)
        dtype, shape = np.dtype(row.dtype), (len(rows), row.columns)
        values: Tensor
        if row.file is None:
            values = np.frombuffer(row.values, dtype).reshape(shape)
        else:
            values = FileArray(self.blocks / row.file, 0, dtype, shape)
        return Block(Space.OPEN, rows, Kind(row.kind), (values,))


def _rows_to_bytes(keys: Rows | tuple[str, ...]) -> bytes:
    if not isinstance(keys, Rows):
        raise TypeError("only predictions on rows are stored")
    return encode_rows(keys).SerializeToString()


def _take(path: Path) -> TextIO:
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
