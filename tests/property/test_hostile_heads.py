"""Heads that contradict themselves or their payload are refused by name, whatever the encoding."""

from typing import Any

import numpy as np
import pytest

from limbeck_common.core.arrays.encoded_rows import SparseRows, VoteRows
from limbeck_common.core.arrays.encodings import OneClass, Quantised, Top
from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.errors import KeysError, RefusalError, ShapeError, ValuesError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.codec import decode_uplink, encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1 import block_pb2, federation_pb2

OPEN_ROWS = 50
HUGE = 2**64 - 1
ROWS = Rows(np.array([1, 2]))


def up(**parts: Block) -> Uplink:
    return Uplink("f", "me", 1, parts, {"loss": 0.5}, parts_digest(parts))


LABELS = np.array([[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]], np.float32)
ENCODED = {
    "plain": LABELS,
    "quantised": Quantised(3).encode(LABELS, Kind.PROBABILITIES),
    "one class": OneClass().encode(LABELS, Kind.PROBABILITIES),
    "top": Top(2).encode(LABELS, Kind.PROBABILITIES),
}


def headed(encoding: str) -> tuple[federation_pb2.Uplink, Payload]:
    head, tensors = encode_uplink(up(it=soft_labels(ROWS, ENCODED[encoding])))
    return head, Payload.of(b"".join(chunks(tensors)))


def sent_and_received(block: Block) -> tuple[federation_pb2.Uplink, Payload]:
    head, tensors = encode_uplink(up(it=block))
    return head, Payload.of(b"".join(chunks(tensors)))


def spoil(head: federation_pb2.Uplink, **fields: Any) -> None:
    block = head.parts[0].block
    for name, value in fields.items():
        if isinstance(value, list):
            del getattr(block, name)[:]
            getattr(block, name).extend(value)
        elif isinstance(value, block_pb2.Encoding):
            block.encoding.CopyFrom(value)
        else:
            setattr(block, name, value)


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize(
    "fields",
    [
        {"row_shape": [4]},
        {"row_shape": []},
        {"row_shape": [3, 1]},
        {"row_shape": [0]},
        {"row_shape": [HUGE, HUGE]},
        {"row_shape": [1] * 9},
        {"made": 7},
        {"made": HUGE},
        {"kind": 4},
        {"kind": 99},
        {"key_weights": [1]},
        {"key_weights": [1] * 3},
        {"key_weights": [HUGE, 1]},
        {"encoding": block_pb2.Encoding()},
        {"encoding": block_pb2.Encoding(bits=9)},
        {"encoding": block_pb2.Encoding(plain=block_pb2.ELEMENT_TYPE_UNSPECIFIED)},
        {"encoding": block_pb2.Encoding(top=block_pb2.Top(k=4, values=block_pb2.ELEMENT_TYPE_FLOAT16))},
        {"encoding": block_pb2.Encoding(top=block_pb2.Top(k=0, values=block_pb2.ELEMENT_TYPE_FLOAT16))},
        {"encoding": block_pb2.Encoding(plain=block_pb2.ELEMENT_TYPE_FLOAT64)},
        {"encoding": block_pb2.Encoding(bits=2)},
    ],
    ids=str,
)
def test_heads_that_contradict_themselves_are_refused(encoding: str, fields: dict[str, Any]) -> None:
    head, payload = headed(encoding)
    spoil(head, **fields)
    with pytest.raises(RefusalError):
        decode_uplink(head, payload, OPEN_ROWS)


def test_classes_and_columns_beyond_the_rows_are_refused() -> None:
    votes = VoteRows(np.array([0, 3], np.uint8), 3)
    sparse = SparseRows(np.array([[0, 1], [2, 1]], np.uint8), np.ones((2, 2), np.float16) / 2, 3)
    twice = SparseRows(np.array([[1, 1], [0, 1]], np.uint8), np.ones((2, 2), np.float16) / 2, 3)
    beyond = SparseRows(np.array([[0, 1], [1, 3]], np.uint8), np.ones((2, 2), np.float16) / 2, 3)
    for values, said in ((votes, "row 1"), (sparse, "row 1"), (twice, "row 0"), (beyond, "row 1")):
        with pytest.raises(ValuesError, match=f"{said} of the block is not"):
            decode_uplink(*sent_and_received(soft_labels(ROWS, values)), OPEN_ROWS)


def test_a_part_comes_once_and_there_are_not_too_many() -> None:
    head, payload = headed("plain")
    head.parts.add().CopyFrom(head.parts[0])
    with pytest.raises(KeysError):
        decode_uplink(head, payload, OPEN_ROWS)
    many = {f"part {number}": soft_labels(ROWS, LABELS) for number in range(65)}
    sent, tensors = encode_uplink(up(**many))
    with pytest.raises(KeysError, match="'part 9' is one too many"):
        decode_uplink(sent, Payload.of(b"".join(chunks(tensors))), OPEN_ROWS)


def test_a_payload_is_all_of_some_part() -> None:
    head, _ = headed("plain")
    with pytest.raises(ShapeError, match="expected arrays that fill 28 bytes"):
        decode_uplink(head, Payload.of(bytes(28)), OPEN_ROWS)
