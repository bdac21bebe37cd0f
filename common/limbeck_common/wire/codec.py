"""From messages to protobuf heads and payloads, and back.

Decoding trusts nothing: before an array is made, every size is checked against the payload, every row number against
the open set and every class against the federation's. Arrays come back as views of the payload, not as copies.
"""

import hashlib
import math
import zlib
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from limbeck_common.core.errors import KeysError, ShapeError, StreamError, ValuesError
from limbeck_common.core.messages import Block, Downlink, Kind, Outline, Rows, Space, Uplink
from limbeck_common.core.spec import MAX_WIDTH
from limbeck_common.core.tensors import Tensor, nbytes
from limbeck_common.wire.payload import Payload, chunks, digest_tensors
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2, federation_pb2

_Head = TypeVar("_Head", federation_pb2.Downlink, federation_pb2.Uplink)

_MAX_AXES = 8
_MAX_TENSORS = 4096  # an empty tensor takes memory but no payload
_MAX_ROW_BYTES = 1 << 32  # bounds a tensor without rows, which no payload does
_MAX_INFLATED = 1 << 26
_DEFLATE_RATIO = 1100  # deflate packs at most 1,032 bytes into one
_ELEMENTS: dict[int, np.dtype[Any]] = {
    block_pb2.ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    block_pb2.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
    block_pb2.ELEMENT_TYPE_FLOAT16: np.dtype("<f2"),
    block_pb2.ELEMENT_TYPE_UINT8: np.dtype("|u1"),
    block_pb2.ELEMENT_TYPE_INT64: np.dtype("<i8"),
}
_ELEMENT_TYPES = {dtype: number for number, dtype in _ELEMENTS.items()}
_KINDS = {
    block_pb2.VALUE_KIND_PROBABILITIES: Kind.PROBABILITIES,
    block_pb2.VALUE_KIND_LOGITS: Kind.LOGITS,
    block_pb2.VALUE_KIND_PARAMETERS: Kind.PARAMETERS,
    block_pb2.VALUE_KIND_CODES: Kind.CODES,
}
_KIND_NUMBERS = {kind: number for number, kind in _KINDS.items()}


def block_digest(block: Block | None) -> bytes:
    """Return the SHA-256 that names a block's content, whatever its encoding; for None, that of the empty string."""
    hasher = hashlib.sha256()
    if block is not None:
        temperature = float(np.float32(block.temperature))  # as it travels
        hasher.update(f"{block.space} {block.kind} {temperature:.9g} {block.weight}\n".encode())
        if isinstance(block.keys, Rows):
            digest_tensors(hasher, [block.keys.indices])
        else:
            for name in map(str.encode, block.keys):
                hasher.update(b"%d %b\n" % (len(name), name))
        digest_tensors(hasher, block.values)
    return hasher.digest()


def encode_downlink(downlink: Downlink) -> tuple[federation_pb2.Downlink, tuple[Tensor, ...]]:
    """Return the head, and the tensors whose bytes make the payload."""
    head = federation_pb2.Downlink(
        federation_id=downlink.federation_id,
        round=downlink.round,
        deadline_seconds=downlink.deadline_seconds,
        closing=downlink.closing,
    )
    if downlink.wanted is not None:
        head.wanted.CopyFrom(encode_rows(downlink.wanted))
    if downlink.aggregate is None:
        return head, ()
    tensors = encode_block(downlink.aggregate, head.aggregate)
    head.payload_size = sum(map(nbytes, tensors))
    return head, tensors


def encode_uplink(uplink: Uplink) -> tuple[federation_pb2.Uplink, tuple[Tensor, ...]]:
    """Return the head, and the tensors whose bytes make the payload."""
    head = federation_pb2.Uplink(
        federation_id=uplink.federation_id,
        client_name=uplink.client,
        round=uplink.round,
        metrics=dict(uplink.metrics),
        digest=uplink.digest,
        epoch=uplink.epoch,
    )
    if uplink.contribution is None:
        return head, ()
    tensors = encode_block(uplink.contribution, head.contribution)
    head.payload_size = sum(map(nbytes, tensors))
    return head, tensors


def decode_downlink(
    head: federation_pb2.Downlink, payload: Payload, open_rows: int, classes: int = MAX_WIDTH
) -> Downlink:
    """Return the downlink; its arrays lie in `payload`.

    Raises:
        RefusalError: the message contradicts itself, or names rows or classes beyond these bounds.
    """
    return Downlink(
        federation_id=head.federation_id,
        round=head.round,
        aggregate=decode_block(head.aggregate, payload, open_rows, classes) if head.HasField("aggregate") else None,
        wanted=decode_rows(head.wanted, open_rows) if head.HasField("wanted") else None,
        deadline_seconds=head.deadline_seconds,
        closing=head.closing,
    )


def decode_uplink(head: federation_pb2.Uplink, payload: Payload, open_rows: int, classes: int = MAX_WIDTH) -> Uplink:
    """Return the uplink; its arrays lie in `payload`.

    Raises:
        RefusalError: the message contradicts itself, names rows or classes beyond these bounds, or does not have the
            digest that it claims.
    """
    block = decode_block(head.contribution, payload, open_rows, classes) if head.HasField("contribution") else None
    if block_digest(block) != head.digest:
        raise StreamError("the contribution does not have the digest that it claims", remedy="push again")
    return Uplink(head.federation_id, head.client_name, head.round, block, dict(head.metrics), head.digest, head.epoch)


def encode_block(block: Block, message: block_pb2.Block) -> tuple[Tensor, ...]:
    """Fill in the message, and return the tensors whose bytes make the payload.

    Tensors of bytes, which hold codes, are deflated if that makes them smaller.
    """
    if isinstance(block.keys, Rows):
        field = message.open_indices if block.space is Space.OPEN else message.classes
        field.CopyFrom(encode_rows(block.keys))
    else:
        message.parameters.names.extend(block.keys)
    message.kind = _KIND_NUMBERS[block.kind]
    message.temperature = block.temperature
    message.weight = block.weight
    tensors: list[Tensor] = []
    for tensor in block.values:
        entry = message.values.add(element_type=_ELEMENT_TYPES[tensor.dtype.newbyteorder("<")], shape=tensor.shape)
        packed = _deflated(tensor)
        if packed is not None:
            entry.deflated_size = len(packed)
        tensors.append(tensor if packed is None else packed)
    return tuple(tensors)


def _deflated(tensor: Tensor) -> NDArray[np.uint8] | None:
    """Return a tensor of bytes in memory deflated; None for any other, or if that would not be smaller."""
    if not isinstance(tensor, np.ndarray) or tensor.dtype != np.uint8:
        return None
    packed = zlib.compress(np.ascontiguousarray(tensor).data, 9)
    return np.frombuffer(packed, np.uint8) if len(packed) < tensor.nbytes else None


def read_outline(message: block_pb2.Block) -> Outline:
    """Return what a head says of its block's values. Raises ShapeError if no array could have that form."""
    kind = _KINDS.get(message.kind)
    if kind is None:
        raise ShapeError(
            f"values of unknown kind {message.kind}", expected="probabilities, logits, parameters or codes"
        )
    if len(message.values) > _MAX_TENSORS:
        raise ShapeError(f"{len(message.values)} tensors", expected=f"at most {_MAX_TENSORS}")
    forms = []
    for tensor in message.values:
        dtype = _ELEMENTS.get(tensor.element_type)
        if dtype is None or not 1 <= len(tensor.shape) <= _MAX_AXES:
            raise ShapeError(f"a tensor of element type {tensor.element_type} and {len(tensor.shape)} axes")
        forms.append((dtype, tuple(tensor.shape)))
    return Outline(kind, tuple(forms))


def decode_block(message: block_pb2.Block, payload: Payload, open_rows: int, classes: int = MAX_WIDTH) -> Block:
    """Return the block; its arrays lie in `payload`.

    `open_rows` and `classes` are the federation's; without `classes`, the most that a federation can have.

    Raises:
        RefusalError: the block contradicts itself, or names rows or classes beyond these bounds.
    """
    outline = read_outline(message)
    if not (math.isfinite(message.temperature) and message.temperature > 0):
        raise ValuesError(f"temperature {message.temperature:g}", expected="a finite number above 0")
    values = _make_tensors(outline, message.values, payload)
    space, keys = _decode_keys(message, open_rows, classes)
    if isinstance(keys, Rows):
        lengths = [len(tensor) for tensor in values]
        if lengths != [len(keys)]:
            raise ShapeError(
                f"{len(keys)} keys, and tensors of {lengths} rows", expected="one tensor with one row per key"
            )
    elif len(keys) != len(values):
        raise ShapeError(f"{len(keys)} names and {len(values)} tensors", expected="one tensor per name")
    return Block(space, keys, outline.kind, values, message.temperature, message.weight or 1)


def _decode_keys(message: block_pb2.Block, open_rows: int, classes: int) -> tuple[Space, Rows | tuple[str, ...]]:
    match message.WhichOneof("keys"):
        case "open_indices":
            return Space.OPEN, decode_rows(message.open_indices, open_rows)
        case "classes":
            return Space.CLASSES, decode_rows(message.classes, classes)
        case "parameters":
            return Space.PARAMETERS, tuple(message.parameters.names)
        case _:
            raise KeysError("the block has no keys", expected="open indices, classes or parameter names")


def _make_tensors(outline: Outline, messages: Iterable[block_pb2.Tensor], payload: Payload) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = []
    offset = 0
    for (dtype, shape), message in zip(outline.forms, messages, strict=True):
        row_bytes = math.prod(shape[1:], start=dtype.itemsize)  # Python integers: no product can wrap around
        size = shape[0] * row_bytes
        travelling = message.deflated_size or size
        if offset + travelling > payload.size or not 0 < row_bytes <= _MAX_ROW_BYTES:
            break
        if message.deflated_size:
            packed = payload.tensor(offset, np.dtype(np.uint8), (travelling,))
            tensors.append(_inflate(packed, size).view(dtype).reshape(shape))
        else:
            tensors.append(payload.tensor(offset, dtype, shape))
        offset += travelling
    else:
        if offset == payload.size:
            return tuple(tensors)
    raise ShapeError("the tensors' shapes do not add up", expected=f"tensors that fill {payload.size} bytes of payload")


def _inflate(packed: Tensor, size: int) -> NDArray[np.uint8]:
    """Return the `size` bytes that were deflated. Nothing beyond them is ever inflated."""
    if size > min(_MAX_INFLATED, _DEFLATE_RATIO * len(packed)):
        raise ShapeError(f"{len(packed)} deflated bytes that should hold {size}")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(np.ascontiguousarray(packed[:]).data, size + 1)
    except zlib.error as error:
        raise StreamError(f"a tensor cannot be inflated: {error}", remedy="push again") from error
    if len(content) != size or not unpacker.eof or unpacker.unused_data:
        raise StreamError("a deflated tensor has another size than its shape", expected=f"{size} bytes")
    return np.frombuffer(bytearray(content), np.uint8)


def write_message(head: federation_pb2.Downlink | federation_pb2.Uplink, tensors: Iterable[Tensor]) -> bytes:
    """Return a whole message in one piece: the head's length in 4 bytes, the head, the payload."""
    packed = head.SerializeToString()
    return b"".join([len(packed).to_bytes(4, "big"), packed, *chunks(tuple(tensors))])


def read_message(data: bytes, head: _Head) -> tuple[_Head, Payload]:
    """Return `head`, filled in, and the payload of what `write_message` wrote.

    Raises:
        RefusalError: `data` is something else.
    """
    start = 4 + int.from_bytes(data[:4], "big")
    try:
        head.ParseFromString(data[4:start])
    except DecodeError as error:
        raise StreamError("a message whose head cannot be read") from error
    payload = Payload(head.payload_size, len(data))
    payload.add(data[start:])
    payload.close()
    return head, payload
