"""The file `journal.sqlite`: its tables, and the ways to open it. Nothing else in limbeck opens it."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from limbeck_common.core.errors import SettingsError
from limbeck_common.support.disk import flush
from limbeck_server.events import Fact, from_json, link, to_json

JOURNAL = "journal.sqlite"  # in a store's folder
FOLDER = "blocks"  # beside it: the files of large blocks
MODEL = "server-model"  # beside it, once the federation has ended: the server's own model
_APPLICATION = 0x6C696D62  # "limb", for `PRAGMA application_id`: the file says whose it is
_READONLY, _CANTOPEN, _PRIMARY = 8, 14, 0xFF  # SQLite's result codes, and the part that all extended ones share
_PAGE_BYTES = 1 << 15  # an uplink of 40 KB then takes two pages in place of ten
_LOG_PAGES = 2000  # in the write-ahead log, 64 MB, before they are copied into the file
_LAYOUT = 2  # of the tables, for `PRAGMA user_version`

TABLES = sa.MetaData()
FACTS = sa.Table(
    "facts",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("fact", sa.Text, nullable=False),
    sa.Column("chain", sa.String, nullable=False),  # `events.link` of the chain value before and this fact
)


def _blocks(table: str) -> sa.Table:
    return sa.Table(
        table,
        TABLES,
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),  # of the client or the group
        sa.Column("digest", sa.String, nullable=False),  # `block_digest`, hexadecimal
        sa.Column("head", sa.LargeBinary, nullable=False),  # limbeck.v1.Parts
        sa.Column("checksum", sa.Integer, nullable=False),  # CRC-32 of the head
        sa.Column("size", sa.Integer, nullable=False),  # of the payload, in bytes
        sa.Column("payload", sa.LargeBinary),  # NULL where it lies in a file
        sa.Column("file", sa.String),
    )


UPLINKS = _blocks("uplinks")
AGGREGATES = _blocks("aggregates")
NOTES = sa.Table(
    "notes",
    TABLES,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)


def check_not_emptied(folder: Path) -> None:
    """Check that a folder without a journal, or with an empty one, holds nothing that only a journal can explain.

    Raises:
        SettingsError: it does; a new federation there would take another one's blocks or model for its own.
    """
    blocks = folder / FOLDER
    has_blocks = blocks.is_dir() and any(not path.is_dir() for path in blocks.iterdir())
    if has_blocks or (folder / MODEL).exists():
        raise SettingsError(
            f"{folder} has {'blocks' if has_blocks else 'a model'} but no journal: it was emptied or damaged",
            remedy="restore a backup (limbeck-server restore), or name a new folder with --store",
        )


def open_to_write(path: Path, *, flushes: bool = True) -> sa.Engine:
    """Open a journal, or make one where there is no file or an empty one.

    Commits survive a crash of the machine, and what is deleted is overwritten; neither holds where `flushes` is off.

    Raises:
        ValueError: the file is no limbeck journal, or one of another layout.
        sqlalchemy.exc.DatabaseError: it cannot be used.
    """
    new = _check(path)
    engine = _open(path, "rwc")
    sa.event.listen(engine, "connect", _set_durable if flushes else _set_fast)
    try:
        with engine.connect() as connection:
            if new:
                connection.exec_driver_sql(f"PRAGMA application_id={_APPLICATION}")
                connection.exec_driver_sql(f"PRAGMA user_version={_LAYOUT}")
        TABLES.create_all(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_to_read(path: Path, *, immutable: bool) -> sa.Engine:
    """Open a journal without ever writing to it. Text that is not UTF-8 is shown with escapes.

    `immutable` is right only for a file that nobody writes to and that has no write-ahead log: SQLite then needs no
    lock and no file beside it, so it works in a read-only folder. It would ignore a log, and with it the last facts.
    """
    engine = _open(path, "ro", **({"immutable": "1"} if immutable else {}))
    sa.event.listen(engine, "connect", _set_lenient)
    return engine


def misfit(connection: sa.Connection) -> str | None:
    """Return why a file is not a journal that this version of limbeck reads, or None if it is one."""
    application, layout = _identify(connection)
    if application != _APPLICATION:
        return "it is another program's database, or a journal of limbeck before layout 2"
    if layout != _LAYOUT:
        return f"its tables have layout {layout}, and this version of limbeck reads layout {_LAYOUT}"
    return None


def unreachable(connection: sa.Connection) -> str | None:
    """Return what keeps this user from reading the file here, or None; damage to its content does not."""
    try:
        connection.exec_driver_sql("PRAGMA schema_version")
    except (sa.exc.DatabaseError, ValueError) as error:
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
        if code & _PRIMARY in {_READONLY, _CANTOPEN}:
            return describe(error)
    return None


def read_facts(connection: sa.Connection, after: int = 0, most: int = -1) -> list[Fact]:
    """Return the facts from number `after` + 1 on, at most `most`; -1 for all. Raises ValueError for a damaged one."""
    query = sa.select(FACTS.c.fact).where(FACTS.c.number > after).order_by(FACTS.c.number).limit(most)
    return [from_json(str(line)) for line in connection.execute(query).scalars()]


def next_rows(
    connection: sa.Connection, table: sa.Table, number: int, after: str, most: int
) -> list[Mapping[str, Any]]:
    """Return up to `most` rows of a round, in the order of their names, from the one that follows `after` on."""
    columns = ", ".join(table.columns.keys())
    query = f"SELECT {columns} FROM {table.name} WHERE round = ? AND name > ? ORDER BY name LIMIT ?"  # noqa: S608 - ours
    return [row._asdict() for row in connection.exec_driver_sql(query, (number, after, most))]


def read_head(connection: sa.Connection) -> str:
    """Return the chain's last value; empty where there are no facts."""
    last = sa.select(FACTS.c.chain).order_by(FACTS.c.number.desc()).limit(1)
    return str(connection.execute(last).scalar() or "")


def read_chain(connection: sa.Connection, number: int) -> str:
    """Return the chain's value at fact `number`; empty where there is no such fact."""
    return str(connection.execute(sa.select(FACTS.c.chain).where(FACTS.c.number == number)).scalar() or "")


def append(connection: sa.Connection, head: str, facts: Iterable[Fact]) -> str:
    """Append facts to the chain that ends in `head`, and return its new end."""
    rows = []
    for fact in facts:
        line = to_json(fact)
        head = link(head, line)
        rows.append((line, head))
    if rows:
        connection.exec_driver_sql("INSERT INTO facts (fact, chain) VALUES (?, ?)", rows)
    return head


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, in SQL of our own: compiled statements and their types take longer than SQLite itself."""
    names = list(rows[0])
    marks = ", ".join("?" * len(names))
    values = [tuple(row.values()) for row in rows]
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", values)  # noqa: S608 - our own names


def files(connection: sa.Connection) -> set[str]:
    """Return the names of the files that rows name."""
    queries = (sa.select(table.c.file).where(table.c.file.is_not(None)) for table in (UPLINKS, AGGREGATES))
    return {name for query in queries for name in connection.execute(query).scalars()}


def copy(connection: sa.Connection, path: Path) -> None:
    """Copy a database, as of one moment, over what is at `path`; other connections may write to it meanwhile.

    Raises:
        ValueError: it cannot be copied.
    """
    target = _open(path, "rwc")
    try:
        with contextlib.closing(target.raw_connection()) as raw:
            connection.connection.driver_connection.backup(raw.driver_connection)  # type: ignore[union-attr]
    except target.dialect.loaded_dbapi.Error as error:
        raise ValueError(describe(error)) from error
    finally:
        target.dispose()
    flush(path)


def describe(error: Exception) -> str:
    """Return what a database error says, in one line without SQLAlchemy's own words."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]


def _check(path: Path) -> bool:
    """Return whether a journal is still to be made at `path`. Raises ValueError where something else lies there.

    The file is opened to read first, as opening it to write would already change another program's database.
    """
    if not path.exists():
        return True
    engine = open_to_read(path, immutable=False)
    try:
        with engine.connect() as connection:
            application, _ = _identify(connection)
            if application in {0, _APPLICATION} and not sa.inspect(connection).get_table_names():
                return True  # empty, or its making was cut off
            if (wrong := misfit(connection)) is not None:
                raise ValueError(wrong)
    finally:
        engine.dispose()
    return False


def _identify(connection: sa.Connection) -> tuple[int, int]:
    """Return whose the file says it is, and the layout of its tables."""
    application = connection.exec_driver_sql("PRAGMA application_id").scalar()
    return int(application or 0), int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)


def _open(path: Path, mode: str, **parameters: str) -> sa.Engine:
    database = f"file:{quote(str(path.absolute()))}"
    return sa.create_engine(
        sa.URL.create("sqlite", database=database, query={"mode": mode, "uri": "true"} | parameters)
    )


def _set_durable(connection: Any, _record: object) -> None:
    _set_sizes(connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # what `keep_rounds` deletes is overwritten


def _set_sizes(connection: Any) -> None:
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")


def _set_fast(connection: Any, _record: object) -> None:
    _set_sizes(connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")


def _set_lenient(connection: Any, _record: object) -> None:
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
