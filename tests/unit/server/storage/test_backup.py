"""A backup is one moment of a store, and a restored store is a new epoch of it."""

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.audits import change, damage, spoil
from support.finished_store import run, specify, work

from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.core.messages import ALL
from limbeck_common.wire.digest import parts_digest
from limbeck_server import events as fact
from limbeck_server.cli.store import backup as backup_command
from limbeck_server.cli.store import restore as restore_command
from limbeck_server.storage import backup as module
from limbeck_server.storage.backup import Copied, backup, restore
from limbeck_server.storage.protocols import INLINE_BYTES, PartsKey, StoredParts
from limbeck_server.storage.sqlite import SqliteStore


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


def large(store: SqliteStore) -> Parts:
    values = np.full((INLINE_BYTES, 1), 1, np.float32)
    return {"labels": soft_labels(Rows(np.arange(len(values))), store.collect([values]))}


def everything(folder: Path) -> tuple[list[fact.Fact], str, dict[PartsKey, bytes]]:
    store = SqliteStore(folder)
    rounds = range(max(9, len(store.facts()) + 1))  # a round here has one fact at least
    blocks = {PartsKey(number, name): parts_digest(block) for number in rounds for name, block in store.uplinks(number)}
    blocks |= {
        PartsKey(number, group, aggregate=True): parts_digest(block)
        for number in rounds
        for group, block in store.aggregates(number).items()
    }
    found = store.facts(), store.head, blocks
    store.close()
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    work(folder)
    return folder


def test_a_backup_holds_what_the_store_holds(source: Path, tmp_path: Path) -> None:
    facts, head, blocks = everything(source)
    assert backup(source, tmp_path / "out") == Copied(len(facts), len(blocks), head)
    assert everything(tmp_path / "out") == (facts, head, blocks)
    assert damage(tmp_path / "out") == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blocks", "journal.sqlite", "lock"]


def test_large_blocks_are_copied_and_share_nothing_with_the_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    store.commit([joined(1)], [StoredParts(1, "a", large(store)), StoredParts(1, ALL, large(store), aggregate=True)])
    store.new_file(5).write_bytes(b"an upload under way")
    backup(tmp_path / "store", tmp_path / "out")
    files = sorted((tmp_path / "out" / "blocks").iterdir())
    assert len(files) == 2
    for file in files:
        assert file.stat().st_ino != (store.blocks / file.name).stat().st_ino
        assert file.read_bytes() == (store.blocks / file.name).read_bytes()
    store.close()


def test_a_backup_beside_a_daemon_is_one_moment_of_its_store(tmp_path: Path) -> None:
    """Facts and uplinks come, and old uplinks are deleted, as fast as they can while backups are made."""
    store = SqliteStore(tmp_path / "store")
    stop = threading.Event()
    began = threading.Event()

    def work_on() -> None:
        for number in itertools.count(1):
            facts = [joined(number)] + [fact.UplinksDeleted(at=1, round=number - 2)] * (number > 2)
            store.commit(facts, [StoredParts(number, "a", large(store))])
            began.set()
            if stop.is_set():
                return

    worker = threading.Thread(target=work_on)
    worker.start()
    try:
        assert began.wait(10)
        made = [backup(tmp_path / "store", tmp_path / f"out-{number}") for number in range(4)]
    finally:
        stop.set()
        worker.join()
        store.close()
    facts, _, _ = everything(tmp_path / "store")
    for number, copied in enumerate(made):
        found, head, blocks = everything(tmp_path / f"out-{number}")
        assert found == facts[: copied.facts]
        assert head == copied.head
        assert copied.blocks == len(blocks) >= 1
        last = sum(isinstance(each, fact.ClientJoined) for each in found)
        assert set(blocks) == {PartsKey(round_, "a") for round_ in range(max(1, last - 1), last + 1)}


def test_files_that_vanish_while_they_are_copied_are_seen_in_a_later_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "store")
    store.commit([joined(1)], [StoredParts(1, "a", large(store)), StoredParts(2, "a", large(store))])
    copyfile, times = shutil.copyfile, itertools.count()

    def late(source: Path, target: Path) -> None:
        if next(times) == 0:
            store.commit([fact.UplinksDeleted(at=1, round=1)])
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", late)
    copied = backup(tmp_path / "store", tmp_path / "out")
    store.close()
    assert (copied.facts, copied.blocks) == (2, 1)
    assert len(list((tmp_path / "out" / "blocks").iterdir())) == 1


def test_a_copy_is_on_the_disk_before_it_is_called_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "store")
    store.commit([joined(1)], [StoredParts(1, "a", large(store))])
    (file,) = store.blocks.iterdir()
    flushed: list[str] = []
    monkeypatch.setattr(module, "flush", lambda path: flushed.append(path.relative_to(tmp_path).as_posix()))
    backup(tmp_path / "store", tmp_path / "out")
    assert flushed[0] == f"out/blocks/{file.name}"
    assert flushed[-1] == "out"
    assert "out/blocks" in flushed
    store.close()


def test_a_restored_store_is_a_new_epoch_and_otherwise_the_same(source: Path, tmp_path: Path) -> None:
    facts, _, blocks = everything(source)
    backup(source, tmp_path / "out")
    copied, epoch = restore(tmp_path / "out", tmp_path / "new")
    assert epoch == 2
    again, head, found = everything(tmp_path / "new")
    assert found == blocks
    assert again[:-1] == facts
    assert isinstance(again[-1], fact.Restored)
    assert again[-1].epoch == 2
    assert copied == Copied(len(facts) + 1, len(blocks), head)
    assert damage(tmp_path / "new") == []
    assert everything(tmp_path / "out")[0] == facts  # the backup stays as it was
    backup(tmp_path / "new", tmp_path / "second")
    assert restore(tmp_path / "second", tmp_path / "newer")[1] == 3


def test_a_federation_goes_on_from_a_restored_store(tmp_path: Path) -> None:
    spec = specify("dsfl", open_per_round=8)
    run(tmp_path / "store", spec, clients="ab")  # c's uplink is missing
    backup(tmp_path / "store", tmp_path / "out")
    restore(tmp_path / "out", tmp_path / "new")
    run(tmp_path / "new", spec)
    run(tmp_path / "whole", spec)
    aggregated = [
        [each.digest for each in everything(tmp_path / name)[0] if isinstance(each, fact.Aggregated)]
        for name in ("new", "whole")
    ]
    assert aggregated[0] == aggregated[1]
    assert len(aggregated[0]) == 3
    assert damage(tmp_path / "new") == []


@pytest.mark.parametrize("bring", [backup, restore], ids=["backup", "restore"])
def test_a_folder_with_anything_in_it_is_refused_and_left_alone(
    source: Path, tmp_path: Path, bring: Callable[[Path, Path], object]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary").write_text("mine")
    with pytest.raises(SettingsError, match=r"out is not empty; expected a new folder; name another with"):
        bring(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["diary"]


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "a new folder"])
@pytest.mark.parametrize("bring", [backup, restore], ids=["backup", "restore"])
@pytest.mark.parametrize(
    "harm",
    [
        (lambda folder: spoil(folder, PartsKey(1, "a")), "the copy is damaged: the uplink of a for round 1 is damaged"),
        (
            lambda folder: spoil(folder, PartsKey(2, ALL, aggregate=True), "head"),
            "round 2 for all is damaged",
        ),
        (lambda folder: change(folder, "UPDATE facts SET fact = replace(fact, '0.5', '0.6') WHERE number = 7"), "fact"),
        (lambda folder: change(folder, "UPDATE uplinks SET file = 'x'"), "lacks files that its journal names; see: li"),
        (lambda folder: change(folder, "ALTER TABLE notes ADD COLUMN x"), "table 'notes' does not have the columns"),
        (lambda folder: (folder / "journal.sqlite").write_bytes(bytes(range(256)) * 20), "file is not a database"),
    ],
)
def test_damage_is_named_and_no_half_copy_is_left(
    source: Path,
    tmp_path: Path,
    harm: tuple[Callable[[Path], object], str],
    bring: Callable[..., object],
    *,
    there: bool,
) -> None:
    damage_it, said = harm
    damage_it(source)
    out = tmp_path / "out"
    if there:
        out.mkdir()
    with pytest.raises(DataError, match=said) as raised:
        bring(source, out)
    assert "\n" not in str(raised.value)
    assert "limbeck-server audit" in raised.value.remedy
    assert out.exists() is there
    assert not there or list(out.iterdir()) == []


def test_a_folder_without_a_journal_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no journal in"):
        backup(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_backup_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no backup in"):
        restore(tmp_path / "none", tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_full_disk_is_named_and_no_half_copy_is_left(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_copy_files", full)
    with pytest.raises(
        SettingsError, match=r"cannot write to .*out: No space left on device; .*; name another with OUT"
    ):
        backup(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_kill_leaves_of_a_copy_is_no_store(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is there only once the copy is complete."""
    seen = []

    def look(*_: object) -> bool:
        seen.extend(path.name for path in (tmp_path / "out").iterdir())
        return True

    monkeypatch.setattr(module, "_copy_files", look)
    backup(source, tmp_path / "out")
    assert sorted(seen) == ["blocks", "journal.sqlite.part"]


def test_the_commands_say_what_to_do_next(source: Path, tmp_path: Path) -> None:
    out, new = tmp_path / "out", tmp_path / "new"
    done = CliRunner().invoke(backup_command, ["--store", str(source), str(out)], catch_exceptions=False)
    count = len(everything(source)[0])
    assert done.output == (
        f"{count} facts and 12 blocks of {source} copied to {out}; "
        f"to bring them back: limbeck-server restore {out} --store NEW\n"
    )
    done = CliRunner().invoke(restore_command, [str(out), "--store", str(new)], catch_exceptions=False)
    assert done.output == (
        f"{count + 1} facts and 12 blocks restored to {new}, epoch 2; "
        f"to go on: limbeck-server run with the settings as before and --store {new}\n"
    )
