"""The codec: heads with payloads, and row numbers. Each accepted input is decoded a second time, in plain Python."""

import contextlib
import hashlib
import math
import zlib
from random import Random
from typing import Any

import numpy as np
from fuzz.damage import frames, mutate, mutate_bytes
from fuzz.subject import Subject
from google.protobuf.message import DecodeError

from limbeck_common.core.blocks import Block, Rows, Space, soft_labels
from limbeck_common.core.errors import StreamError
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
_TYPES = {1: ("<f4", 4), 2: ("<f8", 8), 3: ("<f2", 2), 4: ("|u1", 1), 5: ("<i8", 8)}
_INFLATED = 1 << 20  # more than any seed's tensors
_SMALL = 1000  # rows that plain Python may count
_KINDS = {1: "probabilities", 2: "logits", 3: "parameters", 4: "codes"}


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


def check_plainly(message: block_pb2.Block, payload: bytes, population: int) -> bytes:
    """Check a block against its payload, and return its digest, by the protocol's page alone."""
    assert math.isfinite(message.temperature)
    assert message.temperature > 0
    sizes = [_TYPES[each.element_type][1] * math.prod(each.shape) for each in message.values]
    assert [len(each) for each in plain_values(message, payload)] == sizes
    assert sum(each.deflated_size or size for each, size in zip(message.values, sizes, strict=True)) == len(payload)
    if message.HasField("parameters"):
        assert len(message.parameters.names) == len(message.values)
    else:
        is_open = message.HasField("open_indices")
        keys = plain_rows(message.open_indices if is_open else message.classes)
        assert keys == sorted(set(keys))
        assert all(0 <= key < (population if is_open else 100_000) for key in keys)
        assert [tensor.shape[0] for tensor in message.values] == [len(keys)]
    return plain_digest(message, payload)


def plain_values(message: block_pb2.Block, payload: bytes) -> list[bytes]:
    """Each tensor's bytes, inflated where they travelled deflated."""
    values, start = [], 0
    for tensor in message.values:
        end = start + (tensor.deflated_size or _TYPES[tensor.element_type][1] * math.prod(tensor.shape))
        part = payload[start:end]
        values.append(zlib.decompressobj().decompress(part, _INFLATED) if tensor.deflated_size else part)
        start = end
    return values


def plain_digest(message: block_pb2.Block, payload: bytes) -> bytes:
    """The digest of a block, by the protocol's page alone."""
    space = message.WhichOneof("keys")
    hasher = hashlib.sha256()
    name = {"open_indices": "open", "classes": "classes", "parameters": "parameters"}[str(space)]
    hasher.update(f"{name} {_KINDS[message.kind]} {message.temperature:.9g} {message.weight or 1}\n".encode())
    if space == "parameters":
        for key in message.parameters.names:
            hasher.update(b"%d %s\n" % (len(key.encode()), key.encode()))
    else:
        keys = plain_rows(message.open_indices if space == "open_indices" else message.classes)
        hasher.update(f"<i8 {len(keys)}\n".encode())
        hasher.update(b"".join(key.to_bytes(8, "little") for key in keys))
    for tensor, values in zip(message.values, plain_values(message, payload), strict=True):
        dtype, _ = _TYPES[tensor.element_type]
        hasher.update(f"{dtype} {'x'.join(map(str, tensor.shape))}\n".encode() + values)
    return hasher.digest()


def seal(head: federation_pb2.Uplink, payload: bytes) -> None:
    """Make a damaged head's size and digest fit, so that its damage is looked at rather than its seal."""
    head.payload_size = len(payload)
    if head.HasField("contribution") and _is_small(head.contribution):
        with contextlib.suppress(KeyError, ValueError, zlib.error):  # no digest fits some damage
            head.digest = plain_digest(head.contribution, payload)


def _is_small(message: block_pb2.Block) -> bool:
    keys = message.open_indices if message.HasField("open_indices") else message.classes
    numbers = [keys.sample.count, keys.sample.population, *keys.ranges.gaps_and_lengths]
    return max(numbers) <= _SMALL


def check_block(block: Block | None, message: Any, payload: bytes, *, there: bool) -> bytes:
    """Check a decoded block against the message that it came from, and return the digest that it must have."""
    assert (block is not None) == there
    if block is None:
        return hashlib.sha256().digest()
    assert [tensor[:].tobytes() for tensor in block.values] == plain_values(message, payload)
    digest = check_plainly(message, payload, OPEN_ROWS)
    assert parts_digest(block) == digest
    return digest


def _blocks() -> list[Block]:
    probabilities = np.full((3, 4), 0.25, np.float32)
    return [
        soft_labels(rows(1, 2, 7), probabilities),
        soft_labels(Rows.drawn(Sample(7, 3, 20)), probabilities, 0.1),
        soft_labels(rows(*range(0, 50, 2)), np.full((25, 2), 0.5, np.float32)),
        Block(Space.CLASSES, rows(0, 2), Kind.LOGITS, (np.ones((2, 4), np.float16),)),
        Block(Space.PARAMETERS, ("w", "b"), Kind.PARAMETERS, (np.ones((2, 3)), np.arange(4)), weight=60),
        Block(Space.OPEN, rows(*range(40)), Kind.CODES, (np.zeros((40, 2), np.uint8),)),  # travels deflated
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
            write_message(*encode_uplink(Uplink("test", "a", 1, block, {"loss": 0.5}, parts_digest(block))))
            for block in [None, *_blocks()]
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
        digest = check_block(uplink.contribution, head.contribution, behind, there=head.HasField("contribution"))
        assert digest == head.digest == uplink.digest


class DownlinkHead(Head):
    name = "downlink"
    kinds = (federation_pb2.Downlink,)

    def __init__(self) -> None:
        wanted = Rows.drawn(Sample(9, 8, 50))
        self.seeds = [write_message(*encode_downlink(Downlink("test", 2, block, wanted, 60.0))) for block in _blocks()]
        self.seeds.append(write_message(*encode_downlink(Downlink("test", 3, closing=True))))

    def judge(self, data: bytes) -> None:
        head, payload = read_message(data, federation_pb2.Downlink())
        downlink = decode_downlink(head, payload, OPEN_ROWS)
        check_block(downlink.aggregate, head.aggregate, _without_head(data), there=head.HasField("aggregate"))
        assert (downlink.wanted is not None) == head.HasField("wanted")
        if downlink.wanted is not None:
            assert downlink.wanted.indices.tolist() == plain_rows(head.wanted)
