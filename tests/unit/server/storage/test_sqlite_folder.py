"""The folder of an SQLite store: what it may hold, one daemon at a time, and a disk that is full or broken."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.audits import change
from support.full_disk import full_disk
from support.sqlite_stores import broken, joined, large, opened

from limbeck_common.core.errors import SettingsError, SetupError, StoreFullError
from limbeck_server.storage.limits import RESERVE_BYTES
from limbeck_server.storage.protocols import INLINE_BYTES, StoredParts
from limbeck_server.storage.sqlite import SqliteStore


@pytest.mark.parametrize("place", ["plain", "a?b=c&d#e%41 f"])
def test_a_folder_may_have_any_name(tmp_path: Path, place: str) -> None:
    with opened(tmp_path / place) as store:
        store.commit([joined(1)])
    assert (tmp_path / place / "journal.sqlite").is_file()
    with opened(tmp_path / place) as store:
        assert store.facts() == [joined(1)]


def test_a_file_that_is_no_journal_is_left_alone_and_named(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    journal.write_text("My diary. " * 100)
    with pytest.raises(SettingsError, match=r"journal.sqlite cannot be used.*expected a limbeck journal or no file"):
        SqliteStore(tmp_path)
    assert journal.read_text() == "My diary. " * 100


def test_another_programs_database_is_left_alone_and_named(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    with contextlib.closing(sqlite3.connect(journal)) as database:
        database.execute("CREATE TABLE facts (number INTEGER)")
    before = journal.read_bytes()
    with pytest.raises(SettingsError, match=r"journal.sqlite cannot be used: it is another program's database, or"):
        SqliteStore(tmp_path)
    assert journal.read_bytes() == before


def test_a_journal_of_another_layout_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    change(tmp_path, "PRAGMA user_version = 3")
    with pytest.raises(SettingsError, match="its tables have layout 3, and this version of limbeck reads layout 2"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize("done", ["nothing", "the application", "the tables in part"])
def test_a_start_that_a_crash_cut_off_is_begun_again(tmp_path: Path, done: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database:
        if done != "nothing":
            database.execute(f"PRAGMA application_id = {0x6C696D62}")
        if done == "the tables in part":
            database.execute("PRAGMA user_version = 2")
            database.execute("CREATE TABLE notes (name VARCHAR NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name))")
    with opened(tmp_path) as store:
        assert store.fresh
        store.commit([joined(1)])
        assert not store.fresh
    with opened(tmp_path) as store:
        assert store.facts() == [joined(1)]


@pytest.mark.parametrize("left", [[], ["journal.sqlite"]], ids=["no journal", "an empty journal"])
def test_blocks_without_a_journal_are_kept_and_the_store_is_refused(tmp_path: Path, left: list[str]) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)], [StoredParts(1, "a", large(store))])
    for path in tmp_path.glob("journal.sqlite*"):
        path.unlink()
    if left:
        SqliteStore(tmp_path / "other").close()
        (tmp_path / "other" / "journal.sqlite").rename(tmp_path / "journal.sqlite")
    for _ in range(2):
        with pytest.raises(SettingsError) as refused:
            SqliteStore(tmp_path)
        assert str(refused.value) == (
            f"{tmp_path} has blocks but no journal: it was emptied or damaged; "
            "restore a backup (limbeck-server restore), or name a new folder with --store"
        )
        assert len(list((tmp_path / "blocks").iterdir())) == 1
        assert [path.name for path in tmp_path.glob("journal.sqlite")] == left


def test_a_model_without_a_journal_is_kept_and_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server-model").mkdir()
    (tmp_path / "server-model" / "model.safetensors").write_bytes(b"of another federation")
    with pytest.raises(SettingsError, match="has a model but no journal: it was emptied or damaged"):
        SqliteStore(tmp_path)
    assert (tmp_path / "server-model" / "model.safetensors").read_bytes() == b"of another federation"


def test_a_folder_in_the_place_of_a_block_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blocks" / "lost+found").mkdir(parents=True)
    SqliteStore(tmp_path).close()
    assert (tmp_path / "blocks" / "lost+found").is_dir()


@pytest.mark.parametrize("where", ["/dev/null/x", "a-file"])
def test_a_folder_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a-file").touch()
    with pytest.raises(
        SettingsError, match=rf"^{where} cannot be used: .*; expected a folder to write to; name"
    ) as refused:
        SqliteStore(Path(where))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("what", ["iterdir", "unlink"])
def test_a_folder_that_cannot_be_swept_is_named_in_one_line_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with opened(tmp_path) as store:
        store.commit([joined(1)])
        store.new_file(1).touch()
    with monkeypatch.context() as failing:
        failing.setattr(Path, what, broken)
        with pytest.raises(SettingsError) as refused:
            SqliteStore(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path} cannot be used: Input/output error; expected a folder to write to; "
        "name another with --store, or see to its owner and permissions"
    )
    SqliteStore(tmp_path).close()  # the lock was let go


def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(SettingsError, match="another daemon works in"):
        SqliteStore(tmp_path)
    SqliteStore(tmp_path).close()


# Room


def test_without_room_for_it_a_block_is_refused_before_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = RESERVE_BYTES + 1000

    def disk_usage(folder: Path) -> Any:
        assert folder == tmp_path / "blocks"
        return SimpleNamespace(free=free)

    with opened(tmp_path) as store:
        monkeypatch.setattr(shutil, "disk_usage", disk_usage)
        assert not store.new_file(1000).exists()
        store.check_room(1000)
        store.check_room()
        with pytest.raises(StoreFullError, match=f"has {free} bytes left; expected {free + 1}; try again when"):
            store.new_file(1001)
        with pytest.raises(SetupError, match="an aggregate cannot be stored: the server's disk has"):
            store.collect([np.ones((INLINE_BYTES, 1), np.float32)])
        free = RESERVE_BYTES - 1
        with pytest.raises(StoreFullError):
            store.check_room()


def test_an_aggregate_that_the_disk_does_not_take_is_no_traceback(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as store:
        store.blocks = full_disk(tmp_path / "full")
        said = r"an aggregate cannot be stored: .*No space left on device; see to the disk"
        with pytest.raises(SetupError, match=said):
            store.collect([np.ones((INLINE_BYTES, 1), np.float32)])
