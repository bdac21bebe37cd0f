"""What an audit says of a store, and ways to damage one."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limbeck_server.audit.audit import Verdict, audit
from limbeck_server.storage.protocols import PartsKey
from limbeck_server.storage.sqlite_reader import SqliteReader


def verdicts(folder: Path, head: str = "") -> list[Verdict]:
    reader = SqliteReader(folder)
    try:
        return list(audit(reader, head))
    finally:
        reader.close()


def damage(folder: Path, head: str = "") -> list[str]:
    return [wrong for verdict in verdicts(folder, head) for wrong in verdict.damage]


@contextlib.contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        yield connection
        connection.commit()


def change(folder: Path, statement: str, *values: Any) -> None:
    with database(folder) as connection:
        assert connection.execute(statement, values).rowcount


def flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def spoil(folder: Path, key: PartsKey, column: str = "payload", place: int = 0, bit: int = 0) -> None:
    """Flip one bit of a stored block: of the column, or of the file where its payload lies in one."""
    table = "aggregates" if key.aggregate else "uplinks"
    query = f"SELECT {column}, file FROM {table} WHERE round = ? AND name = ?"  # noqa: S608 - of our own words
    with database(folder) as connection:
        content, file = connection.execute(query, (key.round, key.name)).fetchone()
    if content is None:
        path = folder / "blocks" / file
        path.write_bytes(flipped(path.read_bytes(), place, bit))
        return
    statement = f"UPDATE {table} SET {column} = ? WHERE round = ? AND name = ?"  # noqa: S608
    change(folder, statement, flipped(content, place, bit), key.round, key.name)
