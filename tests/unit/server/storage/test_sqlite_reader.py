"""A store is read without a trace, also where nothing can be written, and never beside a daemon by accident."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.audits import damage
from support.finished_store import run, specify, work

from limbeck_common.core.errors import SettingsError
from limbeck_server import events as fact
from limbeck_server.storage.protocols import DamageError, PartsKey
from limbeck_server.storage.sqlite import SqliteStore
from limbeck_server.storage.sqlite_reader import SqliteReader

_NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away everybody's right to write in a folder, and root's privilege to do it all the same."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        with pytest.raises(PermissionError):
            (folder / "probe").touch()
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755)


def listed(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupted(folder: Path) -> None:
    """Leave a store as a killed daemon does: with its last facts in SQLite's log."""
    live = folder.with_name("live")
    store = SqliteStore(live)
    store.commit([fact.ClientJoined(at=1, client="a")])
    shutil.copytree(live, folder)
    store.close()
    assert (folder / "journal.sqlite-wal").stat().st_size


def facts(folder: Path) -> list[fact.Fact]:
    reader = SqliteReader(folder)
    try:
        return [fact.from_json(line) for _, line, _ in reader.facts()]
    finally:
        reader.close()


@pytest.mark.parametrize("lock", [True, False], ids=["lock file", "none"])
def test_a_read_only_copy_is_audited_and_left_alone(place: Path, *, lock: bool) -> None:
    copy = place / "copy"
    work(copy)
    if not lock:
        (copy / "lock").unlink()
    before = listed(copy)
    with read_only(copy):
        assert damage(copy) == []
        assert listed(copy) == before


def test_a_read_only_copy_of_a_killed_daemons_store_is_read_with_its_last_facts(place: Path) -> None:
    copy = place / "copy"
    interrupted(copy)
    before = listed(copy)
    with read_only(copy):
        assert facts(copy) == [fact.ClientJoined(at=1, client="a")]
        assert listed(copy) == before


def test_a_read_only_copy_whose_log_cannot_be_read_there_is_refused_with_a_remedy(place: Path) -> None:
    copy = place / "copy"
    interrupted(copy)
    (copy / "journal.sqlite-shm").unlink()
    with read_only(copy), pytest.raises(SettingsError) as refused:
        SqliteReader(copy)
    assert str(refused.value) == (
        f"{copy / 'journal.sqlite'} cannot be opened: unable to open database file; "
        "copy the whole folder to a place that this user can write to, and name that"
    )


def test_facts_in_the_log_of_a_killed_daemon_count_and_stay_there(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    interrupted(copy)
    log = (copy / "journal.sqlite-wal").read_bytes()
    assert facts(copy) == [fact.ClientJoined(at=1, client="a")]
    assert (copy / "journal.sqlite-wal").read_bytes() == log


def test_a_daemon_seen_through_a_read_only_folder_is_noticed(place: Path) -> None:
    folder = place / "store"
    daemon = SqliteStore(folder)
    daemon.commit([fact.ClientJoined(at=1, client="a")])
    with read_only(folder):
        with pytest.raises(SettingsError, match=r"a daemon works in .*; stop it first, or name a backup"):
            SqliteReader(folder)
        reader = SqliteReader(folder, beside=True)
        assert [number for number, _, _ in reader.facts()] == [1]
        reader.close()
    daemon.close()


def test_a_folder_that_may_not_be_entered_is_named(place: Path) -> None:
    folder = place / "store"
    SqliteStore(folder).close()
    with read_only(place):
        pass
    folder.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(_NOBODY)
    try:
        with pytest.raises(SettingsError, match=r"store cannot be read: Permission denied; see to its owner"):
            SqliteReader(folder)
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o755)


def test_a_daemon_cannot_start_while_a_store_is_read_and_can_afterwards(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    reader = SqliteReader(tmp_path)
    with pytest.raises(SettingsError, match="another daemon works in"):
        SqliteStore(tmp_path)
    reader.close()
    SqliteStore(tmp_path).close()


def test_a_file_that_is_no_database_is_a_fault_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"\xff" * 5000)
    reader = SqliteReader(tmp_path)
    assert reader.faults() == ["file is not a database"]
    for read in (lambda: reader.note("spec"), reader.keys, lambda: list(reader.facts())):
        with pytest.raises(DamageError, match="file is not a database"):
            read()
    reader.close()
    SqliteReader(tmp_path).close()


def test_everything_stored_is_listed_and_returned(tmp_path: Path) -> None:
    run(tmp_path, specify("dsfl", open_per_round=8), clients="ab")
    reader = SqliteReader(tmp_path)
    assert reader.faults() == []
    assert reader.keys() == {PartsKey(1, "a"), PartsKey(1, "b")}
    digests = {
        each.client: each.digest
        for each in (fact.from_json(line) for _, line, _ in reader.facts())
        if isinstance(each, fact.UplinkAccepted)
    }
    assert len(reader.parts(PartsKey(1, "a"), 16, digests["a"])["labels"].rows) == 8
    with pytest.raises(DamageError, match="its digest is"):
        reader.parts(PartsKey(1, "a"), 16, digests["b"])
    with pytest.raises(DamageError, match="it cannot be read"):
        reader.parts(PartsKey(1, "a"), 3, digests["a"])  # rows beyond the open set
    assert reader.note("spec").startswith("{")
    assert reader.note("none") == ""
    reader.close()
