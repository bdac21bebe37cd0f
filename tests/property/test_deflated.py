"""Tensors of bytes travel deflated: nothing is lost, and nothing that a stranger deflates does harm."""

import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.errors import RefusalError, ShapeError, StreamError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.codec import decode_uplink, encode_uplink, read_message, write_message
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload
from limbeck_common.wire.v1 import federation_pb2

ROWS, COLUMNS = 400, 10
ZEROS = np.zeros((ROWS, COLUMNS), np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)


def up(values: NDArray[np.uint8]) -> Uplink:
    block = Block(Space.OPEN, Rows(np.arange(len(values))), Kind.SAMPLES, (values,))
    return Uplink("f", "me", 1, {"it": block}, {}, parts_digest({"it": block}))


def sent(values: NDArray[np.uint8]) -> tuple[federation_pb2.Uplink, bytes]:
    head, tensors = encode_uplink(up(values))
    return head, b"".join(np.ascontiguousarray(tensor[:]).tobytes() for tensor in tensors)


def received(head: federation_pb2.Uplink, content: bytes) -> NDArray[np.uint8]:
    payload = Payload(len(content), 1 << 27)
    payload.add(content)
    payload.close()
    values: NDArray[np.uint8] = decode_uplink(head, payload, ROWS).parts["it"].array[:]
    return values


def refused(kind: type[RefusalError], call: Callable[[], object], said: str) -> None:
    """Show that a call is refused at once, and that little is unpacked for it."""
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(kind, match=said):
        call()
    assert time.monotonic() - began < 5
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@given(st.integers(0, 99), st.integers(0, ROWS), st.integers(1, 256))
@settings(deadline=None, max_examples=60)
def test_what_was_deflated_comes_back_whole_and_writable(seed: int, rows: int, levels: int) -> None:
    values = np.random.default_rng(seed).integers(0, levels, (rows, COLUMNS)).astype(np.uint8)
    head, payload = read_message(write_message(*encode_uplink(up(values))), federation_pb2.Uplink())
    back = decode_uplink(head, payload, ROWS).parts
    assert back["it"].array.dtype == np.uint8
    assert np.array_equal(back["it"].array[:], values)
    assert parts_digest(back) == head.digest  # of the content, not of the bytes that travelled


def test_it_travels_deflated_only_where_that_is_shorter() -> None:
    head, content = sent(ZEROS)
    assert head.parts[0].block.values[0].deflated_size == head.payload_size == len(content) < ZEROS.nbytes / 50
    head, content = sent(NOISE)
    assert head.parts[0].block.values[0].deflated_size == 0
    assert content == NOISE.tobytes()


def test_as_many_bytes_deflated_as_plain_travel_plain() -> None:
    head, content = sent(np.zeros((11, 1), np.uint8))
    assert len(zlib.compress(bytes(11), 9)) == 11
    assert head.parts[0].block.values[0].deflated_size == 0
    assert content == bytes(11)


def test_a_tensor_in_a_file_travels_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "payload").write_bytes(ZEROS.tobytes())
    tensor = FileArray(tmp_path / "payload", 0, ZEROS.dtype, ZEROS.shape)
    block = Block(Space.OPEN, Rows(np.arange(ROWS)), Kind.SAMPLES, (tensor,))
    head, tensors = encode_uplink(Uplink("f", "me", 1, {"it": block}, {}, parts_digest({"it": block})))
    assert head.parts[0].block.values[0].deflated_size == 0
    assert tensors == [tensor]


def test_one_tensor_deflated_and_one_not_lie_side_by_side() -> None:
    block = Block(Space.PARAMETERS, ("a", "b", "c"), Kind.SAMPLES, (ZEROS, NOISE, ZEROS[:7]))
    uplink = Uplink("f", "me", 1, {"it": block}, {}, parts_digest({"it": block}))
    head, payload = read_message(write_message(*encode_uplink(uplink)), federation_pb2.Uplink())
    back = decode_uplink(head, payload, ROWS).parts["it"]
    assert [bool(each.deflated_size) for each in head.parts[0].block.values] == [True, False, True]
    assert all(np.array_equal(was, now[:]) for was, now in zip(block.values, back.values, strict=True))


def packed(content: bytes, rows: int, columns: int = COLUMNS) -> tuple[federation_pb2.Uplink, bytes]:
    """Say that `content` is a deflated tensor of that many rows."""
    head, _ = sent(ZEROS)
    head.parts[0].block.values[0].deflated_size = head.payload_size = len(content)
    head.parts[0].block.values[0].shape[:] = [rows, columns]
    head.parts[0].block.row_shape[:] = [columns]
    return head, content


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(1 << 26), 9)
    refused(StreamError, lambda: received(*packed(bomb, ROWS)), "another size than its shape; expected 4000 bytes")
    refused(ShapeError, lambda: received(*packed(bomb, 1 << 40)), "deflated bytes that should hold")
    refused(ShapeError, lambda: received(*packed(bomb, ROWS, 1 << 24)), "deflated bytes that should hold")
    small = zlib.compress(b"x")
    refused(ShapeError, lambda: received(*packed(small, 1 << 20)), "9 deflated bytes that should hold 10485760")


GOOD = zlib.compress(ZEROS.tobytes(), 9)
DAMAGED = {
    "cut off": GOOD[:-1],
    "a bit more behind it": GOOD + b"\0",
    "no zlib at all": b"\0" * len(GOOD),
    "another checksum": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "too little in it": zlib.compress(ZEROS.tobytes()[:-1], 9),
    "too much in it": zlib.compress(ZEROS.tobytes() + b"\0", 9),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_what_was_damaged_is_refused(content: bytes) -> None:
    refused(StreamError, lambda: received(*packed(content, ROWS)), "an array cannot be inflated|another size than")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
@settings(deadline=None)
def test_any_flipped_bit_is_refused_or_harmless(place: int, bit: int) -> None:
    spoiled = GOOD[:place] + bytes([GOOD[place] ^ (1 << bit)]) + GOOD[place + 1 :]
    try:
        assert np.array_equal(received(*packed(spoiled, ROWS)), ZEROS)  # some bits say only how hard it was packed
    except RefusalError:
        return


@pytest.mark.parametrize("size", [len(GOOD) - 1, len(GOOD) + 1, 1 << 62])
def test_a_size_that_does_not_fill_the_payload_is_refused(size: int) -> None:
    head, content = packed(GOOD, ROWS)
    head.parts[0].block.values[0].deflated_size = size
    refused(RefusalError, lambda: received(head, content), "do not add up|cannot be inflated|another size")
