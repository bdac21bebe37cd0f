"""The store keeps what it has committed."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.full_disk import full_disk

from limbeck_common.core.errors import SettingsError, SetupError, StoreFullError
from limbeck_common.core.messages import Block, FileArray, Kind, Rows, Space, parameters, soft_labels
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.codec import block_digest
from limbeck_server import events as fact
from limbeck_server.storage.sqlite import INLINE_BYTES, RESERVE_BYTES, TEACHER, SqliteStore, StoredBlock

FACTS = [
    fact.Founded(at=1.5, federation_id="f"),
    fact.ClientJoined(at=2, client="a"),
    fact.Opened(at=3, round=1, participants=("a", "b"), seconds=6.25),
    fact.UplinkAccepted(at=4, round=1, client="a", digest="ab12", metrics={"loss": 0.1}, group="cnn"),
    fact.UplinkLate(at=4.5, round=1, client="b"),
    fact.Extended(at=5, seconds=15),
    fact.Closed(at=6, round=1),
    fact.Aggregated(at=7, round=1, digest="cd", digests={"": "cd"}, groups={"b": "mlp"}),
    fact.DisagreementMeasured(at=7, round=1, metrics={"a": 0.25}),
    fact.Evaluated(at=7, round=1, metrics={"accuracy": 0.5}),
    fact.UplinksDeleted(at=7.5, round=0),
    fact.Paused(at=8),
    fact.Resumed(at=9),
    fact.Restarted(at=9.5),
    fact.Restored(at=9.75, epoch=2),
    fact.Declined(at=9.8, round=1, client="b"),
    fact.Evicted(at=10, client="b"),
    fact.Revoked(at=10.5, client="a"),
    fact.FederationEnded(at=11, state="failed", reason="as it happens"),
]


def labels(seed: int, *rows: int) -> Block:
    values = np.random.default_rng(seed).dirichlet(np.ones(3), len(rows)).astype(np.float32)
    return soft_labels(Rows(np.array(rows)), values)


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


def test_facts_and_blocks_are_there_after_a_restart(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    one, other = labels(1, 0, 5, 6), labels(2, 0, 5, 6)
    store.commit(FACTS[:4], [StoredBlock(1, "b", other)])
    store.commit(FACTS[4:], [StoredBlock(1, "a", one), StoredBlock(2, "a", other)])
    store.close()
    store = SqliteStore(tmp_path)
    assert store.facts() == FACTS
    assert [(client, block_digest(block)) for client, block in store.uplinks(1)] == [
        ("a", block_digest(one)),
        ("b", block_digest(other)),
    ]
    assert len(list(store.uplinks(2))) == 1
    assert list(store.uplinks(3)) == []
    store.close()


def test_every_kind_of_fact_survives_its_line_of_json() -> None:
    assert {type(each) for each in FACTS} == set(fact.Fact.__subclasses__())
    for each in FACTS:
        line = fact.to_json(each)
        assert "\n" not in line
        assert fact.from_json(line) == each


def test_a_teaching_is_kept_beside_the_uplinks_of_its_round(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    taught = labels(3, 2, 4)
    store.commit([], [StoredBlock(1, TEACHER, taught), StoredBlock(1, "a", labels(4, 2, 4))])
    kept = store.aggregate(1)
    assert block_digest(kept) == block_digest(taught)
    assert len(list(store.uplinks(1))) == 1
    assert store.aggregate(2) is None
    store.close()


@pytest.mark.parametrize(
    "rows",
    [
        Rows.drawn(Sample(7, 20, 1000)),
        Rows(np.arange(5, 900)),
        Rows(np.array([3, 700, 90_000])),
        Rows(np.arange(1, 999, 2)),
        Rows(np.array([], np.int64)),
    ],
    ids=["sample", "run", "wide gaps", "bitmap", "none"],
)
def test_rows_of_every_form_come_back(tmp_path: Path, rows: Rows) -> None:
    store = SqliteStore(tmp_path)
    store.commit([], [StoredBlock(1, "a", soft_labels(rows, np.full((len(rows), 2), 0.5, np.float32)))])
    ((_, back),) = store.uplinks(1)
    assert np.array_equal(back.rows, rows.indices)
    assert back.predictions.shape == (len(rows), 2)
    store.close()


def test_a_large_teaching_goes_to_a_file_and_reads_the_same(tmp_path: Path) -> None:
    classes = 64
    rows = INLINE_BYTES // (4 * classes)
    values = np.random.default_rng(0).random((rows + 1, classes), np.float32)
    store = SqliteStore(tmp_path)
    for count, where in ((rows, np.ndarray), (rows + 1, FileArray)):
        parts = [values[:100], values[100:count]]
        collected = store.collect(parts)
        assert isinstance(collected, where)
        store.commit([], [StoredBlock(count, TEACHER, soft_labels(Rows(np.arange(count)), collected))])
    store.close()
    store = SqliteStore(tmp_path)
    for count in (rows, rows + 1):
        kept = store.aggregate(count)
        assert kept is not None
        assert np.array_equal(kept.predictions[:], values[:count])
    assert (tmp_path / "journal.sqlite").stat().st_size < 3 * INLINE_BYTES
    store.close()


def test_files_that_were_never_committed_are_swept_at_the_start(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    values = np.ones((INLINE_BYTES, 1), np.float32)
    large = soft_labels(Rows(np.arange(len(values))), store.collect([values]))
    store.commit([], [StoredBlock(1, TEACHER, large)])
    store.new_file(20).write_bytes(b"the half of an upload")
    assert len(list(store.blocks.iterdir())) == 2
    store.close()
    store = SqliteStore(tmp_path)
    assert len(list(store.blocks.iterdir())) == 1
    kept = store.aggregate(1)
    assert kept is not None
    assert np.array_equal(kept.predictions[:], values)
    store.close()


def test_what_cannot_be_committed_whole_is_not_committed_at_all(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.commit([joined(1)], [StoredBlock(1, "a", labels(1, 0))])
    with pytest.raises(Exception, match="UNIQUE"):
        store.commit([joined(2)], [StoredBlock(2, "a", labels(1, 0)), StoredBlock(1, "a", labels(2, 0))])
    assert store.facts() == [joined(1)]
    assert list(store.uplinks(2)) == []
    store.close()


def test_a_file_that_is_no_journal_is_left_alone_and_named(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    journal.write_text("My diary. " * 100)
    with pytest.raises(SettingsError, match=r"journal.sqlite cannot be used.*expected a limbeck journal or no file"):
        SqliteStore(tmp_path)
    assert journal.read_text().startswith("My diary.")


def test_a_note_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    assert store.note("spec") is None
    assert store.note("spec", "{}") == "{}"
    store.close()
    store = SqliteStore(tmp_path)
    assert store.note("spec") == "{}"
    store.close()


OTHERS = {
    "weights": parameters({"w": np.ones((2, 3)), "b": np.zeros(()), "empty": np.zeros((0, 4))}, weight=60),
    "class averages": Block(Space.CLASSES, Rows(np.array([0, 2])), Kind.LOGITS, (np.ones((2, 3), np.float32),)),
    "codes": Block(Space.OPEN, Rows(np.arange(99)), Kind.CODES, (np.ones((99, 3), np.uint8),)),
}


@pytest.mark.parametrize("block", OTHERS.values(), ids=OTHERS)
def test_blocks_of_every_space_and_kind_come_back(tmp_path: Path, block: Block) -> None:
    store = SqliteStore(tmp_path)
    store.commit([], [StoredBlock(1, "a", block)])
    store.close()
    store = SqliteStore(tmp_path)
    ((_, back),) = store.uplinks(1)
    assert (back.space, back.kind, back.weight) == (block.space, block.kind, block.weight)
    assert block_digest(back) == block_digest(block)
    store.close()


def test_what_a_round_taught_is_found_by_group(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    blocks = {"": labels(1, 2), "mlp": labels(2, 2), "cnn": labels(3, 2)}
    store.commit([], [StoredBlock(1, TEACHER + group, block) for group, block in blocks.items()])
    store.commit([], [StoredBlock(1, "mlp", labels(4, 2))])  # a client's name is no group's
    assert {group: block_digest(block) for group, block in store.aggregates(1).items()} == {
        group: block_digest(block) for group, block in blocks.items()
    }
    assert block_digest(store.aggregate(1, "mlp")) == block_digest(blocks["mlp"])
    assert store.aggregate(1, "forest") is None
    assert store.aggregates(2) == {}
    assert [client for client, _ in store.uplinks(1)] == ["mlp"]
    store.close()


def test_commits_are_synchronous(tmp_path: Path) -> None:
    """FULL is 2: in WAL mode a commit is on the disk when it returns."""
    store = SqliteStore(tmp_path)
    with store._engine.connect() as connection:  # noqa: SLF001 - the promise is the connection's
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


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
    ) as told:
        SqliteStore(Path(where))
    assert "\n" not in str(told.value)


def test_without_room_for_it_a_block_is_refused_before_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path)
    free = RESERVE_BYTES + 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert not store.new_file(1000).exists()
    with pytest.raises(StoreFullError, match=f"has {free} bytes left; expected {free + 1}; try again when"):
        store.new_file(1001)
    with pytest.raises(SetupError, match="an aggregate cannot be stored: the server's disk has"):
        store.collect([np.ones((INLINE_BYTES, 1), np.float32)])
    store.close()


def test_a_teaching_that_the_disk_does_not_take_is_no_traceback(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    store.blocks = full_disk(tmp_path / "full")
    with pytest.raises(SetupError, match=r"an aggregate cannot be stored: .*No space left on device; see to the disk"):
        store.collect([np.ones((INLINE_BYTES, 1), np.float32)])
    store.close()


def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(SettingsError, match="another daemon works in"):
        SqliteStore(tmp_path)
    store.close()
    SqliteStore(tmp_path).close()


def test_a_dropped_round_takes_its_uplinks_and_their_files_and_leaves_the_teaching(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    values = np.full((INLINE_BYTES, 1), 1, np.float32)
    large = soft_labels(Rows(np.arange(len(values))), store.collect([values]))
    store.commit(
        [], [StoredBlock(1, "a", large), StoredBlock(1, "b", labels(1, 0)), StoredBlock(1, TEACHER, labels(2, 0))]
    )
    store.commit([], [StoredBlock(2, "a", labels(3, 0))])
    store.commit([fact.UplinksDeleted(at=1, round=1)])
    assert list(store.uplinks(1)) == []
    assert list(store.blocks.iterdir()) == []
    assert store.aggregate(1) is not None
    assert len(list(store.uplinks(2))) == 1
    store.close()


def test_nothing_of_a_dropped_uplink_is_left_in_the_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    values = np.full((1000, 10), 0.1, np.float32)
    needle = values[:50].tobytes()
    store.commit([], [StoredBlock(1, "a", soft_labels(Rows(np.arange(1000)), values))])

    def left() -> list[str]:
        return [path.name for path in sorted(tmp_path.iterdir()) if path.is_file() and needle in path.read_bytes()]

    assert left() == ["journal.sqlite-wal"]
    store.commit([fact.UplinksDeleted(at=1, round=1)])
    assert left() == []
    store.close()


def test_a_block_keeps_its_temperature(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    block = soft_labels(Rows(np.arange(2)), np.full((2, 2), 0.5, np.float32), 0.1)
    store.commit([], [StoredBlock(1, "a", block)])
    ((_, kept),) = store.uplinks(1)
    assert block_digest(kept) == block_digest(block)
    store.close()


def test_the_chain_goes_on_after_a_restart_and_after_a_commit_that_failed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.commit([joined(1)], [StoredBlock(1, "a", labels(1, 0))])
    with pytest.raises(Exception, match="UNIQUE"):
        store.commit([joined(2)], [StoredBlock(1, "a", labels(2, 0))])
    store.commit([joined(3)])
    store.close()
    store = SqliteStore(tmp_path)
    store.commit([joined(4)])
    store.close()
    chain = ""
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database:
        for line, stored in database.execute("SELECT fact, chain FROM facts ORDER BY number"):
            chain = fact.link(chain, line)
            assert chain == stored
