"""The SQLite database of a store: how it is opened, what keeps a user from reading it, and its facts."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from limbeck_server import events as fact
from limbeck_server.storage import database

FACTS = [fact.Founded(at=1, federation_id="f"), fact.ClientJoined(at=2, client="a")]


def pragma(engine: sa.Engine, name: str) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.mark.parametrize(("flushes", "synchronous"), [(True, 2), (False, 0)])
def test_a_journal_is_written_ahead_and_flushed_unless_that_is_off(
    tmp_path: Path, *, flushes: bool, synchronous: int
) -> None:
    engine = database.open_to_write(tmp_path / "journal", flushes=flushes)
    assert (pragma(engine, "journal_mode"), pragma(engine, "synchronous")) == ("wal", synchronous)
    engine.dispose()
    engine = database.open_to_write(tmp_path / "journal")
    assert pragma(engine, "synchronous") == 2
    engine.dispose()


def test_facts_are_read_from_the_first_on_where_nothing_else_is_said(tmp_path: Path) -> None:
    engine = database.open_to_write(tmp_path / "journal")
    with engine.begin() as connection:
        head = database.append(connection, "", FACTS)
        assert database.append(connection, head, []) == head == database.read_head(connection)
        assert database.read_facts(connection) == FACTS
        assert database.read_facts(connection, 1) == FACTS[1:]
        assert database.read_facts(connection, most=1) == FACTS[:1]
    engine.dispose()


class Refusing:
    """A connection to a file of which SQLite says a result code."""

    def __init__(self, code: int | None) -> None:
        self._error = RuntimeError("not today")
        if code is not None:
            self._error.sqlite_errorcode = code  # type: ignore[attr-defined]

    def exec_driver_sql(self, statement: str) -> None:
        raise sa.exc.DatabaseError(statement, None, self._error)


@pytest.mark.parametrize(
    ("code", "said"),
    [(8, "not today"), (14, "not today"), (14 | 3 << 8, "not today"), (9, None), (15, None), (26, None), (None, None)],
)
def test_only_a_file_that_may_not_be_opened_is_out_of_reach(code: int | None, said: str | None) -> None:
    assert database.unreachable(Refusing(code)) == said  # type: ignore[arg-type]


def test_only_where_the_values_lie_may_be_missing_from_a_row(tmp_path: Path) -> None:
    engine = database.open_to_write(tmp_path / "journal")
    tables = sa.inspect(engine)
    empty = {
        (table, column["name"])
        for table in tables.get_table_names()
        for column in tables.get_columns(table)
        if column["nullable"]
    }
    engine.dispose()
    assert empty == {(table, column) for table in ("aggregates", "uplinks") for column in ("file", "payload")}


def test_a_database_without_a_mark_counts_as_no_ones() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        assert database._identify(connection) == (0, 0)  # noqa: SLF001 - what an unmarked file says of itself
    engine.dispose()
