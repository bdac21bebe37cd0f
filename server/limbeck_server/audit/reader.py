"""A store opened to be looked at: nothing is created, swept or trusted, and damage is an answer, not an end."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.core.messages import Block
from limbeck_common.support.disk import take
from limbeck_common.wire.codec import block_digest
from limbeck_server.storage.block_rows import to_block, to_row
from limbeck_server.storage.tables import TABLES


class DamageError(LimbeckError):
    """Something in the store is not as it was written."""


class StoreReader:
    """One federation's folder. No daemon may work in it meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        journal = folder / "journal.sqlite"
        if not journal.is_file():
            raise SettingsError(f"there is no journal in {folder}", remedy="name a daemon's folder with --store")
        self._lock = take(folder / "lock")
        self._database = sqlite3.connect(journal)
        self._database.row_factory = sqlite3.Row
        self._database.text_factory = lambda text: text.decode(errors="backslashreplace")

    def close(self) -> None:
        """Let others have the folder."""
        self._database.close()
        self._lock.close()

    def faults(self) -> list[str]:
        """Return what SQLite's own check of the file finds, and tables of another form; empty where all is well."""
        try:
            said = [str(row[0]) for row in self._database.execute("PRAGMA integrity_check")]
            forms = dict(self._database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        except (sqlite3.Error, ValueError) as error:  # its words may quote bytes that are no text
            return [str(error)]
        found = [line for text in said if text != "ok" for line in text.splitlines()]
        odd = [
            table.name
            for table in TABLES.sorted_tables
            if forms.get(table.name) != str(CreateTable(table).compile(dialect=sqlite.dialect())).strip()
        ]
        return found + [f"table {name!r} has not the form that the daemon gave it" for name in odd]

    def note(self, name: str) -> str:
        """Return a note; empty where there is none."""
        row = self._database.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row["text"])

    def facts(self) -> Iterator[tuple[int, str, str]]:
        """Yield each fact's number, line and chain value."""
        for row in self._database.execute("SELECT number, fact, chain FROM facts ORDER BY number"):
            yield row["number"], str(row["fact"]), str(row["chain"])

    def filed(self) -> dict[tuple[Any, Any], int]:
        """Return the place of every block, by round and client. Raises sqlite3.Error where the table is torn."""
        query = "SELECT rowid, round, client FROM blocks NOT INDEXED"
        return {(row["round"], row["client"]): row["rowid"] for row in self._database.execute(query)}

    def block(self, place: int, population: int, digest: str) -> Block:
        """Return the block at a place, once it is known to be what `digest` (hexadecimal) names.

        Raises:
            DamageError: it cannot be read, has another digest, or does not lie as it was written.
        """
        try:
            row = self._database.execute("SELECT * FROM blocks WHERE rowid = ?", (place,)).fetchone()
            columns: Mapping[str, Any] = dict(row)
            block = to_block(columns, self.folder / "blocks", population)
            file = columns["file"]
            if file is not None and (self.folder / "blocks" / file).stat().st_size != columns["size"]:
                raise DamageError(f"file {file} has another size")
            found = block_digest(block).hex()
            if found != digest:
                raise DamageError(f"its digest is {found[:12]}, the journal says {digest[:12]}")
            written = to_row(block)
            other = [name for name, value in written.items() if columns[name] != value]
            if other:
                raise DamageError(f"column {other[0]!r} is not as it was written")
        except DamageError:
            raise
        except Exception as error:  # damage may show as anything
            raise DamageError(f"it cannot be read: {type(error).__name__}: {error}") from error
        return block
