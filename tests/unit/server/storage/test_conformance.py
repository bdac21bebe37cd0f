"""What every store promises. A new one joins by an entry in STORES: how to make it, and how to damage a block in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from support.audits import flipped, spoil

from limbeck_common.core.arrays.encodings import OneClass, Quantised, Top
from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Block, Parts, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import DataError, StoreFullError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, SERVER, group
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.digest import parts_digest
from limbeck_server import events as fact
from limbeck_server.storage.memory import MemoryStore
from limbeck_server.storage.protocols import INLINE_BYTES, PartsKey, Store, StoredParts
from limbeck_server.storage.sqlite import SqliteStore

FACTS = [
    fact.Founded(at=1.5, federation_id="f"),
    fact.ClientJoined(at=2, client="a"),
    fact.Opened(at=3, round=1, participants=("a", "b"), seconds=6.25),
    fact.UplinkAccepted(at=4, round=1, client="a", digest="ab12", metrics={"loss": 0.1}, architecture="cnn"),
    fact.UplinkLate(at=4.5, round=1, client="b"),
    fact.Aggregated(at=7, round=1, digest="cd", digests={ALL: "cd"}, moves={"b": "mlp"}),
    fact.UplinksDeleted(at=7.5, round=0),
    fact.FederationEnded(at=11, state="failed", reason="as it happens"),
]


@dataclass(frozen=True)
class Specimen:
    """A store, and how to flip the first bit of what it keeps of a block."""

    store: Store
    spoil: Callable[[PartsKey], None]


def in_memory(_: Path) -> Specimen:
    store = MemoryStore()

    def spoil_row(key: PartsKey) -> None:
        row = store._parts[key]  # noqa: SLF001 - memory does not rot by itself
        if row["file"] is None:
            row["payload"] = flipped(row["payload"], 0)
        else:
            path = store._folder / row["file"]  # noqa: SLF001
            path.write_bytes(flipped(path.read_bytes(), 0))

    return Specimen(store, spoil_row)


def in_sqlite(folder: Path) -> Specimen:
    return Specimen(SqliteStore(folder), lambda key: spoil(folder, key))


STORES = {"memory": in_memory, "sqlite": in_sqlite}


@pytest.fixture(params=STORES.values(), ids=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Specimen]:
    made: Specimen = request.param(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def store(kept: Specimen) -> Store:
    return kept.store


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


def labels(seed: int, *rows: int) -> Parts:
    values = np.random.default_rng(seed).dirichlet(np.ones(3), len(rows)).astype(np.float32)
    return {"labels": soft_labels(Rows(np.array(rows)), values)}


def uploaded(store: Store, fill: float = 0.5) -> Tensor:
    """Return values of more than a megabyte in a file of the store, as an upload leaves them."""
    values = np.full((INLINE_BYTES // 4 + 1, 1), fill, np.float32)
    path = store.new_file(values.nbytes)
    values.tofile(path)
    return FileArray(path, 0, values.dtype, values.shape)


def large(store: Store, fill: float = 0.5) -> Parts:
    values = uploaded(store, fill)
    return {"labels": soft_labels(Rows(np.arange(values.shape[0])), values)}


def digests(named: dict[str, Parts]) -> dict[str, bytes]:
    return {name: parts_digest(parts) for name, parts in named.items()}


def test_facts_come_back_in_their_order_and_from_any_of_them_on(store: Store) -> None:
    assert store.fresh
    assert store.facts() == []
    store.commit(FACTS[:3])
    store.commit([])
    store.commit(FACTS[3:])
    assert not store.fresh
    assert store.facts() == FACTS
    assert store.facts(after=2) == FACTS[2:]
    assert store.facts(after=2, most=3) == FACTS[2:5]
    assert store.facts(most=1) == FACTS[:1]
    assert store.facts(most=0) == []
    assert store.facts(after=len(FACTS)) == []


def test_the_head_chains_every_fact_and_nothing_else(store: Store) -> None:
    assert store.head == ""
    store.commit(FACTS[:2], [StoredParts(1, "a", labels(1, 0))])
    store.note("spec", "{}")
    store.commit(FACTS[2:3])
    head = ""
    for each in FACTS[:3]:
        head = fact.link(head, fact.to_json(each))
    assert store.head == head


@pytest.mark.parametrize("aggregate", [False, True])
def test_what_cannot_be_committed_whole_is_not_committed_at_all(store: Store, *, aggregate: bool) -> None:
    first = labels(1, 0)
    store.commit([joined(1)], [StoredParts(1, "a", first, aggregate)])
    head = store.head
    with pytest.raises(ValueError, match="it is stored already"):
        store.commit([joined(2)], [StoredParts(2, "a", first, aggregate), StoredParts(1, "a", labels(2, 0), aggregate)])
    assert store.facts() == [joined(1)]
    assert store.head == head
    assert list(store.uplinks(2)) == []
    assert store.aggregates(2) == {}
    kept = store.aggregates(1) if aggregate else dict(store.uplinks(1))
    assert digests(kept) == {"a": parts_digest(first)}
    store.commit([joined(3)])
    assert store.facts() == [joined(1), joined(3)]
    assert store.head == fact.link(head, fact.to_json(joined(3)))


def test_two_blocks_of_one_name_in_one_commit_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="it is stored already"):
        store.commit([joined(1)], [StoredParts(1, "a", labels(1, 0)), StoredParts(1, "a", labels(2, 0))])
    assert store.fresh


def test_uplinks_come_by_client_name_and_round(store: Store) -> None:
    one, other = labels(1, 0, 5, 6), labels(2, 0, 5, 6)
    store.commit([], [StoredParts(1, "b", other)])
    store.commit([], [StoredParts(1, "a", one), StoredParts(2, "a", other)])
    found = [(client, parts_digest(parts)) for client, parts in store.uplinks(1)]
    assert found == [("a", parts_digest(one)), ("b", parts_digest(other))]
    assert [client for client, _ in store.uplinks(2)] == ["a"]
    assert list(store.uplinks(3)) == []


def test_aggregates_come_by_audience_and_apart_from_uplinks(store: Store) -> None:
    made = {ALL: labels(1, 2), group("mlp"): labels(2, 2), SERVER: labels(3, 2)}
    store.commit([], [StoredParts(1, audience, parts, aggregate=True) for audience, parts in made.items()])
    store.commit([], [StoredParts(1, ALL, labels(4, 2))])  # a client may bear an audience's name
    assert digests(store.aggregates(1)) == digests(made)
    for audience, parts in made.items():
        found = store.aggregate(1, audience)
        assert found is not None
        assert parts_digest(found) == parts_digest(parts)
    assert store.aggregate(1, group("forest")) is None
    assert store.aggregate(2, ALL) is None
    assert store.aggregates(2) == {}
    assert digests(dict(store.uplinks(1))) == {ALL: parts_digest(labels(4, 2))}


UNIFORM = np.full((99, 3), 1 / 3, np.float32)
MODEL = parameters({"w": np.ones((2, 3)), "b": np.zeros(()), "empty": np.zeros((0, 4))}, weight=60)
AVERAGES = Block(Space.CLASSES, Rows(np.array([0, 2])), Kind.LOGITS, (np.ones((2, 3), np.float32),))
BLOCKS = {
    "a sample of rows": soft_labels(Rows.drawn(Sample(7, 20, 1000)), np.full((20, 2), 0.5, np.float32)),
    "a run of rows": soft_labels(Rows(np.arange(5, 900)), np.full((895, 2), 0.5, np.float32)),
    "wide gaps": soft_labels(Rows(np.array([3, 700, 90_000])), np.full((3, 2), 0.5, np.float32)),
    "a bitmap": soft_labels(Rows(np.arange(1, 999, 2)), np.full((499, 2), 0.5, np.float32)),
    "no rows": soft_labels(Rows(np.array([], np.int64)), np.zeros((0, 2), np.float32)),
    "a model": MODEL,
    "class averages": AVERAGES,
    "a weight per key": replace(AVERAGES, weight=np.array([3, 1 << 40])),
    "numbers": Block(Space.CLASSES, Rows(np.arange(3)), Kind.COUNTS, (np.array([1, 0, 7], np.float32),)),
    "images": Block(Space.MADE, Rows(np.arange(4)), Kind.SAMPLES, (np.ones((4, 3, 2, 2), np.uint8),)),
    "quantised": soft_labels(Rows(np.arange(99)), Quantised(3).encode(UNIFORM, Kind.PROBABILITIES)),
    "votes": soft_labels(Rows(np.arange(99)), OneClass().encode(UNIFORM, Kind.VOTES)),
    "sparse": soft_labels(Rows(np.arange(99)), Top(2).encode(UNIFORM, Kind.PROBABILITIES)),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_blocks_of_every_form_come_back_to_the_bit(store: Store, block: Block) -> None:
    parts = {"it": block}
    store.commit([], [StoredParts(1, "a", parts), StoredParts(1, ALL, parts, aggregate=True)])
    ((_, uplink),) = store.uplinks(1)
    for back in (uplink, store.aggregate(1, ALL)):
        assert back is not None
        assert (back["it"].space, back["it"].kind) == (block.space, block.kind)
        assert np.array_equal(back["it"].weight, block.weight)
        assert back["it"].outline == block.outline
        assert parts_digest(back) == parts_digest(parts)


def test_several_parts_come_back_under_their_names(store: Store) -> None:
    for name, parts in {"several": BLOCKS, "none": {}}.items():
        store.commit([], [StoredParts(1, name, parts), StoredParts(1, name, parts, aggregate=True)])
        for back in (dict(store.uplinks(1))[name], store.aggregate(1, name)):
            assert back is not None
            assert back.keys() == parts.keys()
            assert parts_digest(back) == parts_digest(parts)


def test_large_parts_that_were_made_apart_are_gathered_and_deleted_together(store: Store) -> None:
    values = [np.full((INLINE_BYTES // 4 + 1, 1), fill, np.float32) for fill in (0.25, 0.75)]
    rows = Rows(np.arange(len(values[0])))
    first, second = (soft_labels(rows, store.collect([each])) for each in values)
    for client, parts in {"a": {"one": first, "two": second}, "b": {"one": first, **labels(1, 0)}}.items():
        store.commit([], [StoredParts(1, client, parts), StoredParts(1, client, parts, aggregate=True)])
        for back in (dict(store.uplinks(1))[client], store.aggregate(1, client)):
            assert back is not None
            assert parts_digest(back) == parts_digest(parts)
    store.commit([fact.UplinksDeleted(at=1, round=1)])
    assert list(store.uplinks(1)) == []
    kept = store.aggregate(1, "a")
    assert kept is not None
    assert kept["two"].array[:2].tolist() == [[0.75]] * 2


def test_what_is_read_is_not_what_was_handed_in(store: Store) -> None:
    """Whoever changes an array that was read, or that was stored, changes no store."""
    values = np.full((2, 2), 0.5, np.float32)
    store.commit([], [StoredParts(1, ALL, {"labels": soft_labels(Rows(np.arange(2)), values)}, aggregate=True)])
    values[:] = 0
    first = store.aggregate(1, ALL)
    assert first is not None
    assert first["labels"].array[:].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    first["labels"].array[:][:] = 7
    again = store.aggregate(1, ALL)
    assert again is not None
    assert again["labels"].array[:].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_an_upload_in_a_file_is_stored_and_read_from_there(store: Store) -> None:
    block = large(store)
    digest = parts_digest(block)
    store.commit([], [StoredParts(1, "a", block), StoredParts(1, "b", labels(1, 0))])
    found = dict(store.uplinks(1))
    assert parts_digest(found["a"]) == digest
    assert isinstance(found["a"]["labels"].array, FileArray)


@pytest.mark.parametrize("more", [0, 1])
def test_slices_are_collected_into_one_array_of_any_size(store: Store, more: int) -> None:
    classes = 64
    rows = INLINE_BYTES // (4 * classes) + more
    values = np.random.default_rng(0).random((rows, classes), np.float32)
    collected = store.collect(iter([values[:100], values[100:]]))
    assert collected.shape == values.shape
    block = {"labels": soft_labels(Rows(np.arange(rows)), collected)}
    store.commit([], [StoredParts(1, ALL, block, aggregate=True)])
    back = store.aggregate(1, ALL)
    assert back is not None
    assert np.array_equal(back["labels"].array[:], values)


def test_nothing_collected_is_an_empty_array(store: Store) -> None:
    assert store.collect([]).shape == (0, 0)


def test_deleting_uplinks_takes_those_of_the_rounds_before_too_and_no_aggregate(store: Store) -> None:
    for number in (1, 2, 3):
        store.commit([], [StoredParts(number, name, labels(number, 0)) for name in "ab"])
        store.commit([], [StoredParts(number, ALL, labels(number, 1), aggregate=True)])
    file = large(store)
    store.commit([], [StoredParts(2, "c", file)])
    path = file["labels"].values[0].path  # type: ignore[union-attr]
    assert path.exists()
    store.commit([fact.UplinksDeleted(at=1, round=2)])
    assert list(store.uplinks(1)) == list(store.uplinks(2)) == []
    assert not path.exists()
    assert [client for client, _ in store.uplinks(3)] == ["a", "b"]
    assert all(store.aggregate(number, ALL) is not None for number in (1, 2, 3))
    assert store.facts() == [fact.UplinksDeleted(at=1, round=2)]


def test_an_uplink_that_is_being_read_stays_until_it_has_been_read(store: Store) -> None:
    store.commit([], [StoredParts(1, name, large(store, 0.25)) for name in "ab"])
    reading = store.uplinks(1)
    name, block = next(reading)
    store.commit([fact.UplinksDeleted(at=1, round=1)])
    assert name == "a"
    assert block["labels"].array[:3].tolist() == [[0.25]] * 3
    path = block["labels"].array.path  # type: ignore[union-attr]
    for name, block in reading:  # a store may have begun b, too
        assert (name, block["labels"].array[:1].tolist()) == ("b", [[0.25]])
    assert not path.exists()


def test_a_note_is_kept_once(store: Store) -> None:
    assert store.note("spec") is None
    assert store.note("spec", "{}") == "{}"
    assert store.note("open", "ab") == "ab"
    with pytest.raises(ValueError, match="it is stored already"):
        store.note("spec", "[]")
    assert (store.note("spec"), store.note("open")) == ("{}", "ab")


def test_room_is_checked_before_a_block_comes(store: Store) -> None:
    store.check_room()
    store.check_room(1)
    with pytest.raises(
        StoreFullError, match=r"the server's disk has .* bytes left; expected .*; try again when"
    ) as full:
        store.check_room(1 << 60)
    assert full.value.again
    with pytest.raises(StoreFullError):
        store.new_file(1 << 60)
    path = store.new_file(10)
    assert path.parent.is_dir()
    assert path != store.new_file(10)


@pytest.mark.parametrize("in_file", [False, True], ids=["inline", "file"])
@pytest.mark.parametrize("aggregate", [False, True], ids=["uplink", "aggregate"])
def test_a_flipped_bit_makes_each_read_raise_and_name_the_block(
    kept: Specimen, *, aggregate: bool, in_file: bool
) -> None:
    store = kept.store
    block = large(store) if in_file else labels(1, 0, 1)
    key = PartsKey(3, "cnn" if aggregate else "ward-7", aggregate)
    store.commit([], [StoredParts(*key[:2], block, aggregate), StoredParts(3, "zoe", labels(2, 0))])
    reads = [lambda: list(store.uplinks(3))]
    if aggregate:
        reads = [lambda: store.aggregate(3, "cnn"), lambda: store.aggregates(3)]  # type: ignore[list-item]
    for read in reads:
        assert read()
    kept.spoil(key)
    for read in reads:
        for _ in range(2):
            with pytest.raises(DataError, match=f"the {key} is damaged: ") as raised:
                read()
            assert "see: limbeck-server audit" in raised.value.remedy
    kept.spoil(key)  # and back
    for read in reads:
        assert read()
