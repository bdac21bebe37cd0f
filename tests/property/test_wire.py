"""Bytes to messages and back: nothing is lost, and nothing that a stranger sends does harm."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limbeck_common.core.arrays.encodings import FLOAT32, OneClass, Quantised, Top
from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.blocks import Block, Rows, Space, soft_labels
from limbeck_common.core.errors import (
    DataError,
    KeysError,
    LimbeckError,
    RefusalError,
    ShapeError,
    SizeError,
    StreamError,
)
from limbeck_common.core.form import Ask, Form
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.codec import (
    decode_downlink,
    decode_uplink,
    encode_downlink,
    encode_uplink,
    read_message,
    write_message,
)
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2, federation_pb2

OPEN_ROWS = 50
DTYPES = ["<f4", ">f4", "<f8", "<f2", "|u1", "<i8"]
Indices = block_pb2.Indices


def rows(*indices: int) -> Rows:
    return Rows(np.array(indices, np.int64))


def up(**parts: Block) -> Uplink:
    return Uplink("f", "me", 1, parts, {"loss": 0.5}, parts_digest(parts))


def there_and_back(block: Block) -> Block:
    head, payload = read_message(write_message(*encode_uplink(up(it=block))), federation_pb2.Uplink())
    return decode_uplink(head, payload, OPEN_ROWS).parts["it"]


ENCODINGS = (OneClass(), Top(2), Top(3, "<f4"), Quantised(1), Quantised(3), Quantised(8))


def distributions(random: np.random.Generator, count: int, width: int) -> NDArray[np.float32]:
    return random.dirichlet(np.ones(width), count).astype(np.float32)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    random = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))

    def tensor(*shape: int) -> Any:
        return random.integers(0, 100, shape).astype(dtype)

    if draw(st.booleans()):
        names = draw(st.lists(st.text(max_size=5), max_size=4))
        values = tuple(tensor(*draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))) for _ in names)
        return Block(Space.PARAMETERS, tuple(names), Kind.PARAMETERS, values, draw(st.integers(1, 9)))
    space, population = draw(st.sampled_from([(Space.OPEN, OPEN_ROWS), (Space.CLASSES, 4), (Space.MADE, 5)]))
    keys = rows(*sorted(draw(st.sets(st.integers(0, population - 1)))))
    if space is Space.MADE:
        keys = rows(*range(len(keys)))
    weight: Any = draw(st.integers(1, 9))
    if len(keys) and draw(st.booleans()):
        weight = random.integers(1, 1 << 40, len(keys))
    encoding = draw(
        st.sampled_from([None, OneClass(), Top(2), Top(3, "<f4"), *(Quantised(bits) for bits in (1, 3, 8))])
    )
    if encoding is not None:
        width = draw(st.integers(3, 9))
        encoded = encoding.encode(distributions(random, len(keys), width), Kind.PROBABILITIES)
        return Block(space, keys, Kind.PROBABILITIES, (encoded,), weight)
    shape = draw(st.lists(st.integers(1, 4), max_size=3))
    kind = draw(st.sampled_from(list(Kind)))
    return Block(space, keys, kind, (tensor(len(keys), *shape),), weight)


@given(st.sets(st.integers(0, 999)))
def test_row_numbers_come_back_in_the_smaller_of_two_forms(chosen: set[int]) -> None:
    given_rows = rows(*sorted(chosen))
    message = encode_rows(given_rows)
    assert np.array_equal(decode_rows(message, 1000).indices, given_rows.indices)
    gaps = [(b - a) for a, b in pairwise([-1, *sorted(chosen)])]
    runs = sum(gap > 1 for gap in gaps) + (0 in chosen)
    bitmap = (max(chosen) + 8) // 8 if chosen else 0
    assert message.ByteSize() <= 4 + min(bitmap, 4 * runs)  # numbers below 1000 take two bytes at most, tags four


@pytest.mark.parametrize(
    ("chosen", "form"), [(range(900), "ranges"), (range(0, 900, 2), "bitmap"), ([899], "ranges"), ([], "ranges")]
)
def test_runs_suit_few_stretches_and_bitmaps_many(chosen: list[int], form: str) -> None:
    assert encode_rows(rows(*chosen)).WhichOneof("form") == form


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(1000, 2000))
def test_a_seeded_sample_stays_one(seed: int, count: int, population: int) -> None:
    drawn = Rows.drawn(Sample(seed, count, population))
    message = encode_rows(drawn)
    assert message.ByteSize() < 24
    back = decode_rows(message, 2000)
    assert back.sample == drawn.sample
    assert np.array_equal(back.indices, drawn.indices)


def test_runs_of_no_length_and_no_gap_mean_what_they_say() -> None:
    message = Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[0, 0, 0, 2, 0, 1, 3, 0, 0, 1]))
    assert decode_rows(message, 10).indices.tolist() == [0, 1, 2, 6]


HUGE = 2**64 - 1
HOSTILE = {
    "no form": Indices(),
    "a sample of a huge set": Indices(sample=block_pb2.SeededSample(count=1, population=HUGE)),
    "a sample larger than its set": Indices(sample=block_pb2.SeededSample(count=HUGE, population=50)),
    "a huge run": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[0, HUGE])),
    "a huge gap": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[HUGE, 1])),
    "runs that wrap around": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[2**63, 1, 2**63, 1])),
    "runs that end too late": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[40, 11])),
    "half a run": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[1])),
    "half a million runs": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[0] * 1_000_000)),
    "many empty runs": Indices(ranges=block_pb2.Ranges(gaps_and_lengths=[0] * 102)),
    "a bitmap of too many bytes": Indices(bitmap=block_pb2.Bitmap(bits=bytes(8))),
    "a bitmap with a bit too far": Indices(bitmap=block_pb2.Bitmap(bits=bytes(6) + b"\x04")),
}


def refuses(kind: type[LimbeckError], call: Callable[[], object]) -> None:
    """Show that a call is refused, at once and without much memory."""
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(kind):
        call()
    assert time.monotonic() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 1 << 18
    tracemalloc.stop()


@pytest.mark.parametrize("message", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_row_numbers_are_refused_before_anything_is_allocated(message: Indices) -> None:
    refuses(KeysError, lambda: decode_rows(message, OPEN_ROWS))


@given(st.dictionaries(st.text(max_size=9), blocks(), max_size=4))
@settings(deadline=None)
def test_parts_come_back_whole(parts: dict[str, Block]) -> None:
    sent = Uplink("f", "me", 1, parts, {"loss": 0.5}, parts_digest(parts))
    back = decode_uplink(*read_message(write_message(*encode_uplink(sent)), federation_pb2.Uplink()), OPEN_ROWS)
    assert (back.parts.keys(), back.digest) == (parts.keys(), sent.digest)
    for part, block in parts.items():
        found = back.parts[part]
        assert (found.space, found.kind, found.outline.row_shape) == (block.space, block.kind, block.outline.row_shape)
        assert np.array_equal(found.weight, block.weight)
        if isinstance(block.keys, Rows):
            assert np.array_equal(found.rows, block.rows)
        else:
            assert found.keys == block.keys
        for was, now in zip(block.values, found.values, strict=True):
            assert type(now) is type(was)
            assert now.dtype == was.dtype.newbyteorder("<")
            assert np.array_equal(was[:], now[:])


def test_digests_differ_when_anything_differs() -> None:
    values = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    block = soft_labels(rows(3, 5), values)
    named = Block(Space.PARAMETERS, ("a", "b"), Kind.PARAMETERS, (values, values))
    others = [
        replace(block, space=Space.CLASSES),
        replace(block, kind=Kind.LOGITS),
        replace(block, weight=2),
        replace(block, weight=np.array([1, 1])),
        replace(block, weight=np.array([1, 2])),
        replace(block, keys=rows(3, 6)),
        replace(block, values=(values.astype("<f8"),)),
        replace(block, values=(values.view("<i4").astype("<i8"),)),
        replace(block, values=(values[::-1],)),
        replace(block, values=(values.reshape(2, 2, 1),)),
        replace(block, values=(Quantised(2).encode(values, Kind.PROBABILITIES),)),
        replace(block, values=(Quantised(8).encode(values, Kind.PROBABILITIES),)),
        replace(block, values=(Top(2).encode(values, Kind.PROBABILITIES),)),
        replace(block, values=(OneClass().encode(values, Kind.PROBABILITIES),)),
        named,
        replace(named, keys=("b", "a")),
        replace(named, keys=("a\nb", "c")),
        replace(named, keys=("a", "b\nc")),
        replace(named, values=(values, values[:1])),
    ]
    parts = [{}, {"it": block}, {"other": block}, {"it": block, "other": block}, *({"it": each} for each in others)]
    digests = {parts_digest(each) for each in parts}
    assert len(digests) == len(parts)
    copied = {"it": replace(block, values=(np.asfortranarray(values),))}
    assert parts_digest(copied) == parts_digest({"it": block})


def test_a_large_payload_lies_in_a_file_and_reads_the_same(tmp_path: Path) -> None:
    first, second = np.random.default_rng(0).random((2, 30, 4))
    head, tensors = encode_uplink(up(it=Block(Space.PARAMETERS, ("a", "b"), Kind.PARAMETERS, (first, second[7:]))))
    payload = Payload(head.payload_size, 1 << 20, lambda _: tmp_path / "it", inline=100)
    for chunk in chunks(tensors):
        payload.add(chunk)
    payload.close()
    contribution = decode_uplink(head, payload, OPEN_ROWS).parts["it"]
    assert [type(tensor) for tensor in contribution.values] == [FileArray, FileArray]
    assert np.array_equal(contribution.values[0][:], first)
    assert np.array_equal(contribution.values[1][2:4], second[9:11])
    payload.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_payload_is_neither_shorter_nor_longer_than_declared() -> None:
    refuses(SizeError, lambda: Payload(HUGE, 1 << 20))
    payload = Payload(8, 100)
    payload.add(bytes(7))
    with pytest.raises(StreamError, match="after 7 bytes"):
        payload.close()
    with pytest.raises(SizeError, match="at least 9 bytes"):
        payload.add(bytes(2))


def test_a_contribution_must_have_the_digest_that_it_claims() -> None:
    block = soft_labels(rows(0), np.array([[0.5, 0.5]], np.float32))
    data = bytearray(write_message(*encode_uplink(up(it=block))))
    data[-1] ^= 1
    with pytest.raises(StreamError, match="digest"):
        decode_uplink(*read_message(bytes(data), federation_pb2.Uplink()), OPEN_ROWS)


@pytest.mark.parametrize(
    "shape", [(), (1, 3), (4, 4), (HUGE, HUGE), (2**62, 4), (0, HUGE), (HUGE, 0), (0, 2**40, 2**40), (1,) * 9, (16,)]
)
def test_shapes_that_lie_are_refused(shape: tuple[int, ...]) -> None:
    for empty in (True, False):
        head, _ = encode_uplink(up(it=soft_labels(rows(1), np.ones((1, 4), np.float32))))
        head.parts[0].block.values[0].shape[:] = shape
        payload = Payload(0 if empty else 16, 100)
        payload.add(bytes(payload.size))
        refuses(ShapeError, lambda head=head, payload=payload: decode_uplink(head, payload, OPEN_ROWS))  # type: ignore[misc]


def test_keys_and_values_must_be_as_many() -> None:
    values = np.ones((2, 4), np.float32)
    for keys in (rows(1), rows(1, 2, 3), rows()):
        with pytest.raises(ShapeError, match=r"rows of \[4\] as float32, and float32 \[2, 4\]; expected float32"):
            there_and_back(Block(Space.OPEN, keys, Kind.LOGITS, (values,)))
    for names in ((), ("a",), ("a", "b", "c")):
        with pytest.raises(ShapeError, match="one array per name"):
            there_and_back(Block(Space.PARAMETERS, names, Kind.PARAMETERS, (values, values)))


def on_classes(count: int, columns: int) -> Block:
    values = np.zeros((count, columns), np.float32)
    return Block(Space.CLASSES, Rows(np.arange(count)), Kind.LOGITS, (values,))


def test_a_block_may_have_more_classes_than_columns() -> None:
    block = on_classes(100, 64)
    head, payload = read_message(write_message(*encode_uplink(up(it=block))), federation_pb2.Uplink())
    back = decode_uplink(head, payload, OPEN_ROWS, width=100).parts["it"]
    assert np.array_equal(back.rows, block.rows)
    assert np.array_equal(back.array[:], block.array)


@pytest.mark.parametrize("columns", [3, 64, 1000])
def test_a_block_names_no_class_that_the_federation_does_not_have(columns: int) -> None:
    head, payload = read_message(
        write_message(*encode_uplink(up(it=on_classes(100, columns)))), federation_pb2.Uplink()
    )
    with pytest.raises(KeysError, match="rows below 99"):
        decode_uplink(head, payload, OPEN_ROWS, width=99)
    down, tensors = encode_downlink(Downlink("f", 1, {"it": on_classes(100, columns)}))
    payload = Payload.of(b"".join(chunks(tensors)))
    with pytest.raises(KeysError, match="rows below 99"):
        decode_downlink(down, payload, OPEN_ROWS, width=99)


@pytest.mark.parametrize("space", [Space.OPEN, Space.CLASSES])
def test_a_block_of_rows_has_an_array_with_an_axis(space: Space) -> None:
    head, _ = encode_uplink(up(it=Block(space, rows(0, 1), Kind.LOGITS, (np.ones((2, 4), np.float32),))))
    del head.parts[0].block.values[:]
    with pytest.raises(ShapeError, match=r"and no array; expected float32 \[2, 4\]"):
        decode_uplink(head, Payload(0, 0), OPEN_ROWS)
    head.parts[0].block.values.add(element_type=block_pb2.ELEMENT_TYPE_FLOAT32)
    with pytest.raises(ShapeError, match="0 axes"):
        decode_uplink(head, Payload(0, 0), OPEN_ROWS)


def test_a_block_names_no_more_classes_than_there_can_be() -> None:
    head, _ = encode_uplink(up(it=Block(Space.CLASSES, rows(), Kind.PROBABILITIES, (np.ones((0, 4), np.float32),))))
    head.parts[0].block.values[0].shape[:] = [0, 2**30]
    head.parts[0].block.classes.sample.population = 2**30
    refuses(KeysError, lambda: decode_uplink(head, Payload(0, 0), OPEN_ROWS))


def test_a_block_has_no_more_tensors_than_a_model_has() -> None:
    names, values = ("",) * 5000, (np.ones(0, np.float32),) * 5000
    head, _ = encode_uplink(up(it=Block(Space.PARAMETERS, names, Kind.PARAMETERS, values)))
    refuses(ShapeError, lambda: decode_uplink(head, Payload(0, 0), OPEN_ROWS))


def test_an_array_in_a_file_that_is_gone_or_too_short_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_bytes(bytes(40))
    array = FileArray(path, 8, np.dtype("<f4"), (4, 2))
    assert array[:].shape == (4, 2)
    assert array[3:1].shape == (0, 2)
    for bad in (
        replace(array, shape=(5, 2)),
        replace(array, shape=(2**62, 2**62)),
        replace(array, path=tmp_path / "x"),
    ):
        refuses(DataError, lambda bad=bad: bad[:])  # type: ignore[misc]


def test_bytes_that_are_no_message_are_a_bad_stream() -> None:
    for data in (b"", b"\xff" * 20, b"\0\0\0\4\xff\xff\xff\xff"):
        with pytest.raises(StreamError):
            decode_uplink(*read_message(data, federation_pb2.Uplink()), OPEN_ROWS)


@given(blocks(), st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=6), st.integers(0, 40))
@settings(deadline=None, max_examples=250)
def test_damaged_messages_are_refused_or_harmless(block: Block, changes: list[tuple[int, int]], cut: int) -> None:
    ask = Ask(Form(Kind.PROBABILITIES, Space.OPEN, (3,), (FLOAT32, Quantised(3), Top(2))), rows(1, 2, 7))
    model = Ask(Form.model(), rows(), {"cnn": {"w": (2, 3)}})
    downlink = Downlink("f", 1, {"it": block}, {"labels": ask, "model": model})
    cases: list[tuple[Any, Any, Callable[..., object]]] = [
        (encode_uplink(up(it=block)), federation_pb2.Uplink(), decode_uplink),
        (encode_downlink(downlink), federation_pb2.Downlink(), decode_downlink),
    ]
    for (sent, tensors), head, decode in cases:
        packed = bytearray(sent.SerializeToString())
        for place, value in changes:
            packed[place % len(packed)] = value
        del packed[len(packed) - cut % len(packed) :]
        payload = Payload(sent.payload_size, 1 << 20)
        for chunk in chunks(tensors):
            payload.add(chunk)
        try:
            head.ParseFromString(bytes(packed))
            decode(head, payload, OPEN_ROWS)
        except (DecodeError, RefusalError):
            continue
