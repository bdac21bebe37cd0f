"""The codec: heads with payloads, and row numbers. Each accepted input is decoded a second time, in plain Python."""

import contextlib
import hashlib
import math
import zlib
from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np
from fuzz.damage import frames, mutate, mutate_bytes
from fuzz.subject import Subject
from google.protobuf.message import DecodeError

from limbeck_common.core.arrays.encodings import FLOAT32, OneClass, Quantised, Top
from limbeck_common.core.arrays.tensors import travelling
from limbeck_common.core.blocks import Block, Parts, Rows, Space, soft_labels
from limbeck_common.core.errors import StreamError
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
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2, federation_pb2

OPEN_ROWS = 50
_TYPES = {
    1: ("<f4", 4),
    2: ("<f8", 8),
    3: ("<f2", 2),
    4: ("|u1", 1),
    5: ("<i8", 8),
    6: ("<u2", 2),
    7: ("<u4", 4),
}
_NUMBERS = {1: "float32", 2: "float64", 3: "float16", 4: "uint8", 5: "int64", 6: "uint16", 7: "uint32"}
_INFLATED = 1 << 20  # more than any seed's tensors
_SMALL = 1000  # rows that plain Python may count
_KINDS = {
    1: "probabilities",
    2: "logits",
    3: "parameters",
    5: "memberships",
    6: "values",
    7: "features",
    8: "counts",
    9: "votes",
    10: "samples",
}
_SPACES = {"open_indices": "open", "classes": "classes", "parameters": "parameters", "made": "made"}


def rows(*indices: int) -> Rows:
    return Rows(np.array(indices, np.int64))


def plain_rows(message: block_pb2.Indices) -> list[int]:
    """The rows that a message names, by the protocol's page alone."""
    form = message.WhichOneof("form")
    if form == "sample":
        mask, tickets = 2**64 - 1, []
        for row in range(message.sample.population):
            z = (message.sample.seed + (row + 1) * 0x9E3779B97F4A7C15) & mask
            z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
            tickets.append((z ^ z >> 31, row))
        return sorted(row for _, row in sorted(tickets)[: message.sample.count])
    if form == "bitmap":
        return [8 * i + bit for i, byte in enumerate(message.bitmap.bits) for bit in range(8) if byte >> bit & 1]
    found: list[int] = []
    at = 0
    numbers = message.ranges.gaps_and_lengths
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        found += range(at + gap, at + gap + length)
        at += gap + length
    return found


def check_plainly(messages: Iterable[block_pb2.Part], payload: bytes, population: int) -> bytes:
    """Check parts against their payload, and return their digest, by the protocol's page alone."""
    parts = list(messages)
    assert len({part.name for part in parts}) == len(parts)
    shares = plain_shares(parts, payload)
    assert b"".join(shares) == payload
    for part, share in zip(parts, shares, strict=True):
        _check_block_plainly(part.block, share, population)
    return plain_digest(parts, payload)


def _check_block_plainly(message: block_pb2.Block, share: bytes, population: int) -> None:
    sizes = [_TYPES[each.element_type][1] * math.prod(each.shape) for each in message.values]
    assert [len(each) for each in plain_values(message, share)] == sizes
    count = _plain_count(message)
    if message.HasField("parameters"):
        assert len(message.parameters.names) == len(message.values)
        return
    if not message.HasField("made"):
        is_open = message.HasField("open_indices")
        keys = plain_rows(message.open_indices if is_open else message.classes)
        assert keys == sorted(set(keys))
        assert all(0 <= key < (population if is_open else 1 << 20) for key in keys)
    assert {tensor.shape[0] for tensor in message.values} == {count}
    assert len(message.key_weights) in {0, count}


def _plain_count(message: block_pb2.Block) -> int:
    """How many keys a block has."""
    match message.WhichOneof("keys"):
        case "open_indices":
            return len(plain_rows(message.open_indices))
        case "classes":
            return len(plain_rows(message.classes))
        case "made":
            return message.made
        case _:
            return len(message.parameters.names)


def plain_shares(parts: Iterable[block_pb2.Part], payload: bytes) -> list[bytes]:
    """The run of the payload that is each part's."""
    shares, start = [], 0
    for part in parts:
        end = start
        for each in part.block.values:
            end += each.deflated_size or _TYPES[each.element_type][1] * math.prod(each.shape)
        shares.append(payload[start:end])
        start = end
    return shares


def plain_values(message: block_pb2.Block, payload: bytes) -> list[bytes]:
    """Each array's bytes, inflated where they travelled deflated."""
    values, start = [], 0
    for tensor in message.values:
        end = start + (tensor.deflated_size or _TYPES[tensor.element_type][1] * math.prod(tensor.shape))
        part = payload[start:end]
        values.append(zlib.decompressobj().decompress(part, _INFLATED) if tensor.deflated_size else part)
        start = end
    return values


def plain_digest(parts: Iterable[block_pb2.Part], payload: bytes) -> bytes:
    """The digest of parts, by the protocol's page alone."""
    parts = list(parts)
    hasher = hashlib.sha256()
    for part, share in sorted(zip(parts, plain_shares(parts, payload), strict=True), key=lambda each: each[0].name):
        name = part.name.encode()
        hasher.update(b"%d %s\n" % (len(name), name))
        _digest_block(hasher, part.block, share)
    return hasher.digest()


def _digest_block(hasher: Any, message: block_pb2.Block, share: bytes) -> None:
    space = str(message.WhichOneof("keys"))
    shape = "x".join(map(str, message.row_shape))
    weight = "keys" if message.key_weights else message.weight or 1
    said = f"{_SPACES[space]} {_KINDS[message.kind]} {_plain_encoding(message)} [{shape}] {weight}\n"
    hasher.update(said.encode())
    if space == "parameters":
        for key in message.parameters.names:
            hasher.update(b"%d %s\n" % (len(key.encode()), key.encode()))
    elif space == "made":
        _digest_numbers(hasher, list(range(message.made)))
    else:
        _digest_numbers(hasher, plain_rows(message.open_indices if space == "open_indices" else message.classes))
    if message.key_weights:
        _digest_numbers(hasher, list(message.key_weights))
    for tensor, values in zip(message.values, plain_values(message, share), strict=True):
        dtype, _ = _TYPES[tensor.element_type]
        hasher.update(f"{dtype} {'x'.join(map(str, tensor.shape))}\n".encode() + values)


def _digest_numbers(hasher: Any, numbers: list[int]) -> None:
    hasher.update(f"<i8 {len(numbers)}\n".encode())
    hasher.update(b"".join(number.to_bytes(8, "little") for number in numbers))


def _plain_encoding(message: block_pb2.Block) -> str:
    encoding = message.encoding
    match encoding.WhichOneof("form"):
        case "plain":
            return _NUMBERS[encoding.plain]
        case "bits":
            return f"{encoding.bits} bit"
        case "one_class":
            return "one class"
        case "top":
            return f"top {encoding.top.k} as {_NUMBERS[encoding.top.values]}"
        case _:
            return "float32"


def seal(head: federation_pb2.Uplink, payload: bytes) -> None:
    """Make a damaged head's size and digest fit, so that its damage is looked at rather than its seal."""
    head.payload_size = len(payload)
    if all(_is_small(part.block) for part in head.parts):
        with contextlib.suppress(KeyError, ValueError, OverflowError, zlib.error):  # no digest fits some damage
            head.digest = plain_digest(head.parts, payload)


def _is_small(message: block_pb2.Block) -> bool:
    keys = message.open_indices if message.HasField("open_indices") else message.classes
    numbers = [keys.sample.count, keys.sample.population, message.made, *keys.ranges.gaps_and_lengths]
    return max(numbers) <= _SMALL


def check_parts(found: Parts, messages: Iterable[block_pb2.Part], payload: bytes) -> bytes:
    """Check decoded parts against the message that they came from, and return the digest that they must have."""
    parts = list(messages)
    assert list(found) == [part.name for part in parts]
    for part, share in zip(parts, plain_shares(parts, payload), strict=True):
        arrays = [array for tensor in found[part.name].values for array in travelling(tensor)]
        assert [array[:].tobytes() for array in arrays] == plain_values(part.block, share)
    digest = check_plainly(parts, payload, OPEN_ROWS)
    assert parts_digest(found) == digest
    return digest


def _every() -> list[Parts]:
    uniform = np.full((3, 4), 0.25, np.float32)
    labels = soft_labels(rows(1, 2, 7), uniform)
    several = {
        "counts": Block(Space.CLASSES, rows(0, 2), Kind.COUNTS, (np.ones(2, np.float32),), np.array([3, 9])),
        "images": Block(Space.MADE, rows(0, 1), Kind.SAMPLES, (np.zeros((2, 3, 2), np.uint8),)),
        "labels": labels,
    }
    encodings = (Quantised(3), OneClass(), Top(2))
    encoded = [soft_labels(rows(1, 2, 7), each.encode(uniform, Kind.PROBABILITIES)) for each in encodings]
    return [
        {"labels": labels},
        {"labels": soft_labels(Rows.drawn(Sample(7, 3, 20)), uniform)},
        {"labels": soft_labels(rows(*range(0, 50, 2)), np.full((25, 2), 0.5, np.float32))},
        {"scores": Block(Space.CLASSES, rows(0, 2), Kind.LOGITS, (np.ones((2, 4), np.float16),))},
        {"model": Block(Space.PARAMETERS, ("w", "b"), Kind.PARAMETERS, (np.ones((2, 3)), np.arange(4)), weight=60)},
        {"codes": Block(Space.OPEN, rows(*range(40)), Kind.SAMPLES, (np.zeros((40, 2), np.uint8),))},  # deflated
        *({"labels": each} for each in encoded),
        several,
    ]


def _without_head(packed: bytes) -> bytes:
    return packed[4 + int.from_bytes(packed[:4], "big") :]


class Indices(Subject):
    name = "indices"
    kinds = (block_pb2.Indices,)

    def __init__(self) -> None:
        samples = [rows(), rows(1, 2, 3, 9), rows(*range(0, 50, 2)), Rows.drawn(Sample(3, 5, 50))]
        self.seeds = [encode_rows(each).SerializeToString() for each in samples]

    def judge(self, data: bytes) -> None:
        message = block_pb2.Indices()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise StreamError("no message") from error
        found = decode_rows(message, OPEN_ROWS)
        assert found.indices.tolist() == plain_rows(message)
        assert found.indices.tolist() == sorted(set(found.indices.tolist()) & set(range(OPEN_ROWS)))


class Head(Subject):
    """A head behind its length, then its payload: the form in which messages are kept, and passed to workers."""

    def draw(self, random: Random) -> bytes:
        packed = random.choice(self.seeds)
        payload = _without_head(packed)
        head = packed[4 : len(packed) - len(payload)]
        chance = random.random()
        if chance < 0.1:
            return mutate_bytes(packed, random)
        if chance < 0.2:
            return frames([head]) + mutate_bytes(payload, random)
        return frames([mutate(head, self.kinds, random)]) + payload


class UplinkHead(Head):
    name = "uplink"
    kinds = (federation_pb2.Uplink,)

    def __init__(self) -> None:
        self.seeds = [
            write_message(*encode_uplink(Uplink("test", "a", 1, parts, {"loss": 0.5}, parts_digest(parts))))
            for parts in [{}, *_every()]
        ]

    def draw(self, random: Random) -> bytes:
        drawn = super().draw(random)
        if random.random() < 0.5:
            return drawn
        payload = _without_head(drawn)
        head = federation_pb2.Uplink()
        try:
            head.ParseFromString(drawn[4 : len(drawn) - len(payload)])
        except DecodeError:
            return drawn
        seal(head, payload)
        return frames([head.SerializeToString()]) + payload

    def judge(self, data: bytes) -> None:
        head, payload = read_message(data, federation_pb2.Uplink())
        uplink = decode_uplink(head, payload, OPEN_ROWS)
        behind = _without_head(data)
        assert len(behind) == head.payload_size
        digest = check_parts(uplink.parts, head.parts, behind)
        assert digest == head.digest == uplink.digest


class DownlinkHead(Head):
    name = "downlink"
    kinds = (federation_pb2.Downlink,)

    def __init__(self) -> None:
        ask = Ask(
            Form(Kind.PROBABILITIES, Space.OPEN, (4,), (FLOAT32, Quantised(3), Top(2))), Rows.drawn(Sample(9, 8, 50))
        )
        plan = {"labels": ask, "model": Ask(Form.model(), rows(), {"cnn": {"w": (2, 3)}})}
        self.seeds = [write_message(*encode_downlink(Downlink("test", 2, parts, plan, 60.0))) for parts in _every()]
        self.seeds.append(write_message(*encode_downlink(Downlink("test", 3))))

    def judge(self, data: bytes) -> None:
        head, payload = read_message(data, federation_pb2.Downlink())
        downlink = decode_downlink(head, payload, OPEN_ROWS)
        behind = _without_head(data)
        assert (downlink.aggregate is not None) == head.HasField("aggregate")
        assert check_parts(downlink.aggregate or {}, head.aggregate.parts, behind)
        assert downlink.closing == head.closing
        for message in [] if downlink.plan is None else head.plan:
            ask = (downlink.plan or {})[message.name]
            if message.HasField("open_indices"):
                assert ask.rows.indices.tolist() == plain_rows(message.open_indices)
