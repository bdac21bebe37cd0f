"""The audit passes what a federation wrote, and finds and names whatever has changed since."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.audits import change, damage, database, flipped, spoil, verdicts
from support.finished_store import CLIENTS, ROUNDS, work

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import ALL
from limbeck_server.cli.store import audit as audit_command
from limbeck_server.events import link
from limbeck_server.storage.protocols import INLINE_BYTES, PartsKey
from limbeck_server.storage.sqlite import SqliteStore
from limbeck_server.storage.sqlite_reader import SqliteReader


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """A store for those that only look."""
    with tempfile.TemporaryDirectory() as folder:
        work(Path(folder))
        yield Path(folder)


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return shutil.copytree(sound, tmp_path / "store")


def test_a_store_as_it_was_written_passes_with_one_line_per_round(sound: Path) -> None:
    assert damage(sound) == []
    said = [verdict.text for verdict in verdicts(sound)]
    assert said[0] == "database: sound"
    assert "chain unbroken" in said[1]
    sound_round = "3 uplinks sound, aggregate sound and recomputed from them bit for bit"
    assert said[2:5] == [f"round {number}: {sound_round}" for number in range(1, ROUNDS + 1)]
    assert said[5:] == ["round 4: 3 uplinks sound"]  # the closing round


def test_an_audit_changes_nothing(sound: Path) -> None:
    (sound / "blocks" / "stray").write_text("a file that a crash left")
    before = {path: path.read_bytes() for path in sound.rglob("*") if path.is_file()}
    verdicts(sound)
    assert {path: path.read_bytes() for path in sound.rglob("*") if path.is_file()} == before
    (sound / "blocks" / "stray").unlink()


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(1, ROUNDS),
    client=st.sampled_from((None, *CLIENTS)),
    column=st.sampled_from(["head", "payload"]),
    place=st.integers(0, 10**6),
    bit=st.integers(0, 7),
)
def test_any_flipped_bit_of_any_block_is_found_and_named(  # noqa: PLR0913, PLR0917 - each is drawn
    sound: Path, number: int, client: str | None, column: str, place: int, bit: int
) -> None:
    key = PartsKey(number, client or ALL, aggregate=client is None)
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(sound, Path(folder) / "store")
        spoil(copy, key, column, place, bit)
        (named,) = damage(copy)
    assert named.startswith(f"{key}:")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), column=st.sampled_from(["fact", "chain"]))
def test_any_flipped_bit_of_any_fact_is_found_and_named(sound: Path, place: int, bit: int, column: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(sound, Path(folder) / "store")
        with database(copy) as connection:
            facts = connection.execute(f"SELECT number, {column} FROM facts").fetchall()  # noqa: S608
        number, text = facts[place % len(facts)]
        spoiled = flipped(text.encode(), place, bit)
        change(copy, f"UPDATE facts SET {column} = CAST(? AS TEXT) WHERE number = ?", spoiled, number)  # noqa: S608
        found = damage(copy)
    assert any(wrong.startswith(f"fact {number} is not what was written there") for wrong in found)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM uplinks WHERE round = 2 AND name = 'b'", "uplink of b for round 2 is missing"),
        ("DELETE FROM aggregates WHERE round = 2", "aggregate of round 2 for all is missing"),
        (
            "UPDATE uplinks SET head = CAST(head || x'2d00000040' AS BLOB) WHERE round = 1 AND name = 'a'",
            "uplink of a for round 1: column 'head' is not as",
        ),
        (
            "UPDATE uplinks SET size = 4 WHERE round = 1 AND name = 'a'",
            "uplink of a for round 1: column 'size' is not as",
        ),
        (
            "UPDATE uplinks SET digest = replace(digest, 'a', 'b') WHERE round = 1 AND name = 'a'",
            "uplink of a for round 1: column 'digest' is not as",
        ),
        (
            "UPDATE aggregates SET checksum = checksum + 1 WHERE round = 3",
            "aggregate of round 3 for all: column 'checksum' is not as",
        ),
        ("UPDATE uplinks SET name = 'd' WHERE round = 1 AND name = 'a'", "uplink of d for round 1 is stored, but"),
        ("UPDATE uplinks SET file = 'x' WHERE round = 3 AND name = 'c'", "uplink of c for round 3: it cannot be read"),
        (
            "UPDATE facts SET fact = replace(fact, '0.5', '0.1') WHERE number = 7",
            "fact 7 is not .*: uplink_accepted",
        ),
        ("DELETE FROM facts WHERE number = 9", "fact 10 is not what was written there"),
        ("UPDATE notes SET text = replace(text, '0.02', '0.03')", "the note 'spec' is not what the first fact names"),
        ("UPDATE notes SET text = replace(text, 'dsfl', 'dsfm')", "the specification's method is not available: unk"),
        ("UPDATE notes SET text = 'x'", "the note 'spec' cannot be read, so no round can be checked"),
        ("DELETE FROM facts WHERE number > 9", "uplink of .* is stored, but no fact names it"),
        ("PRAGMA user_version = 1", "its tables have layout 1, and this version of limbeck reads layout 2"),
        ("ALTER TABLE facts ADD COLUMN note", "table 'facts' does not have the columns that a daemon gives it"),
    ],
)
def test_what_was_changed_is_named(store: Path, statement: str, named: str) -> None:
    change(store, statement)
    assert any(re.match(named, wrong) for wrong in damage(store))


def test_a_lost_table_is_damage_and_the_rest_is_still_audited(store: Path) -> None:
    change(store, "DROP TABLE aggregates")
    found = damage(store)
    assert "table 'aggregates' does not have the columns that a daemon gives it" in found
    assert "their tables cannot be read: no such table: aggregates" in found
    assert "uplink of a for round 1 is missing" in found


def test_an_aggregate_that_does_not_follow_from_its_uplinks_is_found_in_a_consistent_forgery(store: Path) -> None:
    """The fact of the aggregate's digest is replaced, and the chain computed anew: the method knows better."""
    with database(store) as connection:
        aggregated = json.loads(
            connection.execute("SELECT fact FROM facts WHERE fact LIKE '%:\"aggregated%'").fetchone()[0]
        )
        chain = ""
        for number, line in connection.execute("SELECT number, fact FROM facts ORDER BY number").fetchall():
            forged = line.replace(aggregated["digest"], "0" * 64)
            chain = link(chain, forged)
            connection.execute("UPDATE facts SET fact = ?, chain = ? WHERE number = ?", (forged, chain, number))
    said = damage(store)
    assert any(wrong.startswith("aggregate of round 1 for all: its uplinks give") for wrong in said)
    assert not any(wrong.startswith("fact") for wrong in said)


def test_a_journal_cut_short_is_found_by_the_head_that_was_noted(store: Path) -> None:
    head = verdicts(store)[1].text.rpartition(" ")[2]
    assert damage(store, head) == []
    change(store, "DELETE FROM facts WHERE number = (SELECT max(number) FROM facts)")
    assert damage(store) == []  # a journal may end anywhere
    assert damage(store, head) == [f"the head {head} that was noted is not in the chain"]


def test_torn_pages_of_the_database_are_found(store: Path) -> None:
    journal = store / "journal.sqlite"
    content = bytearray(journal.read_bytes())
    content[4096 : len(content) : 512] = b"\xff" * len(range(4096, len(content), 512))
    journal.write_bytes(content)
    assert damage(store)


def test_large_blocks_in_files_are_read_and_their_damage_named(tmp_path: Path) -> None:
    classes = 64
    work(tmp_path, keep_rounds=1, classes=classes, rows=INLINE_BYTES // (4 * classes) + 1)
    assert len(list((tmp_path / "blocks").iterdir())) == ROUNDS + len(CLIENTS)  # aggregates, the last round's uplinks
    assert damage(tmp_path) == []
    for key, query in (
        (PartsKey(3, ALL, aggregate=True), "SELECT file FROM aggregates WHERE round = 3"),
        (PartsKey(3, "b"), "SELECT file FROM uplinks WHERE round = 3 AND name = 'b'"),
    ):
        with database(tmp_path) as connection:
            ((file,),) = connection.execute(query).fetchall()
        path = tmp_path / "blocks" / file
        content = path.read_bytes()
        for spoiled in (flipped(content, 77, 3), flipped(content, len(content) - 1, 0), content + b"\0", content[:-1]):
            path.write_bytes(spoiled)
            (named,) = damage(tmp_path)
            assert named.startswith(f"{key}:")
        path.unlink()
        assert any(wrong.startswith(f"{key}:") for wrong in damage(tmp_path))
        path.write_bytes(content)
    assert damage(tmp_path) == []


@pytest.mark.parametrize("keep_rounds", [1, 2])
def test_rounds_whose_uplinks_were_deleted_are_said_to_be_so(tmp_path: Path, keep_rounds: int) -> None:
    work(tmp_path, keep_rounds)
    assert damage(tmp_path) == []
    rounds = [verdict.text for verdict in verdicts(tmp_path) if verdict.text.startswith("round")]
    deleted = [text.endswith(": uplinks deleted, aggregate sound") for text in rounds]
    assert deleted == [number <= ROUNDS - keep_rounds for number in range(1, ROUNDS + 1)] + [False]
    change(tmp_path, "DELETE FROM uplinks WHERE round = ? AND name = 'a'", ROUNDS)
    assert damage(tmp_path) == [f"uplink of a for round {ROUNDS} is missing"]


def test_a_store_in_use_and_a_folder_without_one_are_refused(sound: Path, tmp_path: Path) -> None:
    working = SqliteStore(sound)
    with pytest.raises(SettingsError, match="another daemon works in"):
        SqliteReader(sound)
    working.close()
    with pytest.raises(SettingsError, match="there is no journal in"):
        SqliteReader(tmp_path)


def test_the_command_prints_each_verdict_and_ends_with_1_where_there_is_damage(store: Path) -> None:
    passed = CliRunner().invoke(audit_command, ["--store", str(store)])
    assert passed.exit_code == 0
    assert passed.output.endswith("round 4: 3 uplinks sound\nall is as it was written\n")
    spoil(store, PartsKey(1, "a"))
    failed = CliRunner().invoke(audit_command, ["--store", str(store)])
    assert failed.exit_code == 1
    assert "round 1: DAMAGED\n  uplink of a for round 1: its digest is" in failed.output
    assert failed.output.endswith("1 damaged\n")
