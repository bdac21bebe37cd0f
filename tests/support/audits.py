"""What an audit says of a store, and ways to damage one."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limbeck_server.audit.audit import Verdict, audit
from limbeck_server.audit.reader import StoreReader


def verdicts(folder: Path, head: str = "") -> list[Verdict]:
    reader = StoreReader(folder)
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
