"""What the SQLite store promises beyond the conformance suite: durability and damage."""

import contextlib
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from support.audits import change
from support.sqlite_stores import broken, joined, labels, large, opened

from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.core.messages import ALL
from limbeck_common.wire.digest import parts_digest
from limbeck_server import events as fact
from limbeck_server.storage.protocols import INLINE_BYTES, StoredParts

# Durability


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    one, other = labels(1, 0, 5, 6), labels(2, 0, 5, 6)
    with opened(tmp_path) as store:
        assert store.fresh
        store.commit([joined(1)], [StoredParts(1, "b", other), StoredParts(1, ALL, large(store), aggregate=True)])
        store.commit([joined(2)], [StoredParts(1, "a", one)])
        store.note("spec", "{}")
        head = store.head
    with opened(tmp_path) as store:
        assert not store.fresh
        assert store.head == head
        assert store.facts() == [joined(1), joined(2)]
        assert store.note("spec") == "{}"
        found = [(client, parts_digest(block)) for client, block in store.uplinks(1)]
        assert found == [("a", parts_digest(one)), ("b", parts_digest(other))]
        assert parts_digest(store.aggregate(1, ALL)) == parts_digest(large(store))


def test_commits_are_synchronous(tmp_path: Path) -> None:
    """FULL is 2: in WAL mode a commit is on the disk when it returns."""
    with opened(tmp_path) as store, store._engine.connect() as connection:  # noqa: SLF001 - the promise is the connection's
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_a_file_and_then_its_folder_are_on_the_disk_before_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as store:
        block = large(store)
        done: list[object] = []
        fsync = os.fsync

        def recorded(descriptor: int) -> None:
            done.append(os.fstat(descriptor).st_ino)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", recorded)
        sa.event.listen(store._engine, "begin", lambda _: done.append("transaction"))  # noqa: SLF001
        store.commit([joined(1)], [StoredParts(1, "a", block)])
        (file,) = store.blocks.iterdir()
        assert done == [file.stat().st_ino, store.blocks.stat().st_ino, "transaction"]
        done.clear()
        store.commit([joined(2)], [StoredParts(1, "b", labels(1, 0))])
        assert done == ["transaction"]


def test_the_name_of_a_new_journal_is_on_the_disk_once_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(os.fstat(descriptor).st_ino))
    with opened(tmp_path):
        assert tmp_path.stat().st_ino in done


def test_the_chain_goes_on_after_a_restart_and_after_a_commit_that_failed(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, "a", labels(1, 0))])
        with pytest.raises(ValueError, match="it is stored already: UNIQUE"):
            store.commit([joined(2)], [StoredParts(1, "a", labels(2, 0))])
        store.commit([joined(3)])
    with opened(tmp_path) as store:
        store.commit([joined(4)])
    chain = ""
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database:
        rows = database.execute("SELECT fact, chain FROM facts ORDER BY number").fetchall()
    assert len(rows) == 3
    for line, stored in rows:
        chain = fact.link(chain, line)
        assert chain == stored


# Files of large blocks


def test_only_more_than_a_megabyte_goes_to_a_file(tmp_path: Path) -> None:
    classes = 64
    rows = INLINE_BYTES // (4 * classes)
    values = np.random.default_rng(0).random((rows + 1, classes), np.float32)
    with opened(tmp_path) as store:
        for count, where in ((rows, np.ndarray), (rows + 1, FileArray)):
            collected = store.collect([values[:100], values[100:count]])
            assert isinstance(collected, where)
            block = soft_labels(Rows(np.arange(count)), collected)
            store.commit([], [StoredParts(count, ALL, {"labels": block}, aggregate=True)])
    assert len(list((tmp_path / "blocks").iterdir())) == 1
    assert (tmp_path / "journal.sqlite").stat().st_size < 3 * INLINE_BYTES


def test_files_that_were_never_committed_are_swept_at_the_start(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, ALL, large(store), aggregate=True)])
        store.commit([joined(2)], [StoredParts(1, "a", large(store))])
        store.new_file(20).write_bytes(b"the half of an upload")
        assert len(list(store.blocks.iterdir())) == 3
    with opened(tmp_path) as store:
        assert len(list(store.blocks.iterdir())) == 2
        assert store.aggregate(1, ALL) is not None
        assert len(list(store.uplinks(1))) == 1


def test_a_file_is_hashed_again_only_after_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Parts] = []

    def counted(parts: Parts) -> bytes:
        hashed.append(parts)
        return parts_digest(parts)

    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, ALL, large(store), aggregate=True)])
        monkeypatch.setattr("limbeck_server.storage.block_rows.parts_digest", counted)
        monkeypatch.setattr("limbeck_server.storage.block_rows._TICK_NANOSECONDS", -1)
        for _ in range(3):
            store.aggregate(1, ALL)
        assert len(hashed) == 1
        (file,) = store.blocks.iterdir()
        os.utime(file)
        store.aggregate(1, ALL)
        assert len(hashed) == 2
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"\1")
        with pytest.raises(DataError, match="the aggregate of round 1 for all is damaged: its digest is"):
            store.aggregate(1, ALL)
        file.unlink()
        with pytest.raises(DataError, match=r"the aggregate of round 1 for all is damaged: .*No such file"):
            store.aggregate(1, ALL)


def test_a_file_that_is_as_new_as_its_reading_is_hashed_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within the file system's tick would leave the file's times as they were."""
    hashed: list[Parts] = []
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, ALL, large(store), aggregate=True)])

        def counted(parts: Parts) -> bytes:
            hashed.append(parts)
            return parts_digest(parts)

        monkeypatch.setattr("limbeck_server.storage.block_rows.parts_digest", counted)
        (file,) = store.blocks.iterdir()
        now = file.stat().st_ctime_ns + 1000
        monkeypatch.setattr("time.time_ns", lambda: now)
        store.aggregate(1, ALL)
        store.aggregate(1, ALL)
        assert len(hashed) == 2


# Damage


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE uplinks SET head = x'00'", "its head is not as it was stored"),
        ("UPDATE uplinks SET checksum = 'x'", "its head is not as it was stored"),
        ("UPDATE uplinks SET head = 5", "a bytes-like object is required"),
        ("UPDATE uplinks SET payload = NULL", "stored parts cannot be read"),
        ("UPDATE uplinks SET digest = 'ab'", "its digest is .*, and ab was stored with it"),
        ("UPDATE uplinks SET file = '../lock'", "stored parts cannot be read: its file lies elsewhere"),
        ("UPDATE uplinks SET file = 'a' || char(0)", "embedded null byte"),
    ],
)
def test_any_damaged_column_of_a_block_is_named_with_its_round(tmp_path: Path, statement: str, why: str) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(4, "a", labels(1, 0))])
        change(tmp_path, statement)
        with pytest.raises(DataError, match=f"the uplink of a for round 4 is damaged: .*{why}"):
            list(store.uplinks(4))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("ALTER TABLE uplinks RENAME COLUMN head TO hat", "the list of uplinks of round 4 is damaged: no such column"),
        ("ALTER TABLE uplinks RENAME TO others", "the list of uplinks of round 4 is damaged: no such table"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_and_the_audit_recommended(
    tmp_path: Path, statement: str, what: str
) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(4, "a", labels(1, 0))])
        with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database:
            database.execute(statement)
        with pytest.raises(DataError, match=what) as raised:
            list(store.uplinks(4))
        assert raised.value.remedy == f"see: limbeck-server audit --store {tmp_path}"


def test_a_damaged_fact_is_named_and_the_audit_recommended(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)])
        change(tmp_path, "UPDATE facts SET fact = '{}'")
        with pytest.raises(SettingsError, match=r"the journal in .* is damaged: not a fact; see what is: limbeck"):
            store.facts()


# Deletion


def test_nothing_of_a_deleted_uplink_is_left_in_the_store(tmp_path: Path) -> None:
    values = np.full((1000, 10), 0.1, np.float32)
    needle = values[:50].tobytes()

    def left() -> list[str]:
        return [path.name for path in sorted(tmp_path.iterdir()) if path.is_file() and needle in path.read_bytes()]

    with opened(tmp_path) as store:
        store.commit([], [StoredParts(1, "a", {"labels": soft_labels(Rows(np.arange(1000)), values)})])
        assert left() == ["journal.sqlite-wal"]
        store.commit([fact.UplinksDeleted(at=1, round=1)])
        assert left() == []


def test_a_file_that_cannot_be_deleted_now_is_swept_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, "a", large(store))])
        with monkeypatch.context() as failing:
            failing.setattr(Path, "unlink", broken)
            store.commit([fact.UplinksDeleted(at=1, round=1)])
        assert len(list(store.blocks.iterdir())) == 1
    with opened(tmp_path) as store:
        assert list(store.blocks.iterdir()) == []


# The folder
