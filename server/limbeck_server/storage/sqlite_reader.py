"""A store of `sqlite`, opened to be examined or copied: nothing in it is created, swept or trusted.

A copy on a read-only disk can be read, too: SQLite then needs no lock and no file of its own.
"""

import errno
import fcntl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import SettingsError
from limbeck_common.support.disk import take
from limbeck_common.wire.digest import parts_digest
from limbeck_server.storage import checkpoint_file, database
from limbeck_server.storage.block_rows import RowReader, to_parts, to_row
from limbeck_server.storage.database import AGGREGATES, FACTS, NOTES, TABLES, UPLINKS
from limbeck_server.storage.protocols import Checkpoint, DamageError, PartsKey

_Result = TypeVar("_Result")
_LISTS = {
    False: "SELECT rowid, round, name FROM uplinks NOT INDEXED",
    True: "SELECT rowid, round, name FROM aggregates NOT INDEXED",
}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class SqliteReader:
    """One federation's folder. Implements `limbeck_server.storage.protocols.StoreReader`.

    No daemon may work in the folder meanwhile, unless the reader is opened `beside` one, to copy its store.

    Raises:
        SettingsError: there is no journal, a daemon works in the folder, or it cannot be opened.
    """

    def __init__(self, folder: Path, *, beside: bool = False) -> None:
        self.folder = folder
        self._blocks = folder / database.FOLDER
        self._rows = RowReader(self._blocks)
        self._places: dict[PartsKey, int] = {}  # rowid
        journal = folder / database.JOURNAL
        if not _found(journal):
            raise SettingsError(f"there is no journal in {folder}", remedy="name a daemon's folder with --store")
        try:
            self._lock, in_use = _hold(folder), False
        except SettingsError:
            if not beside:
                raise
            self._lock, in_use = None, True
        self._engine = database.open_to_read(journal, immutable=not in_use and not _has_log(journal))
        self._connection = self._engine.connect()
        if (wrong := database.unreachable(self._connection)) is not None:
            self.close()
            remedy = "copy the whole folder to a place that this user can write to, and name that"
            raise SettingsError(f"{journal} cannot be opened: {wrong}", remedy=remedy)

    def close(self) -> None:
        """Let others have the folder."""
        self._connection.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def faults(self) -> list[str]:
        """Return what SQLite's own check of the file finds, and tables that a daemon would not have made."""
        try:
            said = self._all("PRAGMA integrity_check")
            made = dict(self._all("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            wrong = self._guard(lambda: database.misfit(self._connection))
        except DamageError as error:
            return [error.wrong]
        found = [line for (text,) in said if text != "ok" for line in str(text).splitlines()]
        dialect = sqlite.dialect()
        odd = [
            f"table {table.name!r} does not have the columns that a daemon gives it"
            for table in TABLES.sorted_tables
            if made.get(table.name) != str(CreateTable(table).compile(dialect=dialect)).strip()
        ]
        return found + ([wrong] if wrong else []) + odd

    def note(self, name: str) -> str:
        """Return the text kept under a name; empty where there is none."""
        query = sa.select(NOTES.c.text).where(NOTES.c.name == name)
        return str(self._guard(lambda: self._connection.execute(query).scalar()) or "")

    def facts(self) -> Iterator[tuple[int, str, str]]:
        """Yield each fact's number, its line of JSON and its chain value."""
        query = sa.select(FACTS.c.number, FACTS.c.fact, FACTS.c.chain).order_by(FACTS.c.number)
        rows = self._guard(lambda: self._connection.execute(query))
        while (row := self._guard(rows.fetchone)) is not None:
            yield row.number, str(row.fact), str(row.chain)

    def checkpoint(self) -> Checkpoint | None:
        """Return the last checkpoint. See `StoreReader.checkpoint`."""
        return checkpoint_file.read(
            self.folder, lambda number: self._guard(lambda: database.read_chain(self._connection, number))
        )

    def keys(self) -> set[PartsKey]:
        """Return what the stored parts are filed under, read from the tables and not from their indexes."""
        for aggregate, query in _LISTS.items():
            for rowid, number, name in self._all(query):
                self._places[PartsKey(number, name, aggregate)] = rowid
        return set(self._places)

    def parts(self, key: PartsKey, open_rows: int, digest: str) -> Parts:
        """Return parts once they are known to be those that `digest` names. See `StoreReader.parts`."""
        try:
            row = self._row(key)
            parts = to_parts(row, self._blocks, open_rows)
            file = row["file"]
            if file is not None and (self._blocks / file).stat().st_size != row["size"]:
                raise DamageError(f"file {file} has another size")
            found = parts_digest(parts).hex()
            if found != digest:
                raise DamageError(f"its digest is {found[:12]}, the journal says {digest[:12]}")
            other = [name for name, value in to_row(parts).items() if row[name] != value]
            if other:
                raise DamageError(f"column {other[0]!r} is not as it was written")
        except DamageError:
            raise
        except Exception as error:  # damage may show as anything
            raise DamageError(f"it cannot be read: {type(error).__name__}: {error}") from error
        return parts

    def check(self, key: PartsKey) -> None:
        """Check parts against the digest that is stored with them. Raises DataError where it is damaged."""
        self._rows.read(key, self._guard(lambda: self._row(key)))

    def copy(self, path: Path) -> None:
        """Copy the database, as of one moment, to `path`."""
        self._guard(lambda: database.copy(self._connection, path))

    def _row(self, key: PartsKey) -> Mapping[str, Any]:
        table = AGGREGATES if key.aggregate else UPLINKS
        query = sa.select(table).where(sa.text("rowid = :place"))
        row = self._connection.execute(query, {"place": self._places[key]}).mappings().one()
        return cast("Mapping[str, Any]", row)

    def _all(self, query: str) -> list[Any]:
        return self._guard(lambda: list(self._connection.exec_driver_sql(query)))

    def _guard(self, read: Callable[[], _Result]) -> _Result:
        """Return what `read` does. Raises DamageError for whatever the database cannot give."""
        try:
            return read()
        except (sa.exc.DBAPIError, ValueError) as error:  # SQLite's words may quote bytes that are no text
            raise DamageError(database.describe(error)) from error


def _found(journal: Path) -> bool:
    try:
        return journal.is_file()
    except OSError as error:  # a folder that this user may not enter
        raise SettingsError(f"{journal.parent} cannot be read: {error.strerror}", remedy="see to its owner") from error


def _hold(folder: Path) -> TextIO | None:
    """Lock a folder against daemons while it is read; return None for a read-only copy, where none can start.

    Raises:
        SettingsError: a daemon works in it, seen through a read-only mount perhaps.
    """
    lock = folder / "lock"
    try:
        return take(lock)
    except SettingsError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _READ_ONLY:
            raise SettingsError(
                f"another daemon works in {folder}",
                expected="a store that no daemon works in",
                remedy="ask the daemon, with limbeck-server status or watch; or copy the folder with backup",
            ) from error
    try:
        file = lock.open(encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise SettingsError(f"a daemon works in {folder}", remedy="stop it first, or name a backup") from error
    return file


def _has_log(journal: Path) -> bool:
    """Return whether SQLite has left a log beside its file, with changes that count."""
    logs = (journal.with_name(journal.name + end) for end in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size for log in logs)
