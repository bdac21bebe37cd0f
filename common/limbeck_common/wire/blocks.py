"""From blocks to protobuf heads and the arrays of a payload, and back.

Decoding trusts nothing: before an array is made, every size is checked against the payload, every row number against
the open set, every class against the federation's, and every array against the encoding that the head names. Arrays
come back as views of the payload, not as copies.
"""

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encoded_rows import QuantisedRows, SparseRows, VoteRows
from limbeck_common.core.arrays.encodings import OneClass, Plain, Quantised, Top
from limbeck_common.core.arrays.tensors import Tensor, slices, travelling
from limbeck_common.core.blocks import Block, Outline, Parts, Rows, Space
from limbeck_common.core.errors import KeysError, ShapeError, StreamError, ValuesError
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.encodings import ELEMENT_TYPES, ELEMENTS, KIND_NUMBERS, KINDS, decode_encoding, encode_encoding
from limbeck_common.wire.payload import Payload
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2 as pb

_MAX_AXES = 8
_MAX_TENSORS = 4096  # an empty tensor takes memory but no payload
_MAX_PARTS = 64
_MAX_ROW_BYTES = 1 << 32  # bounds a tensor without rows, which no payload does
_MAX_INFLATED = 1 << 26
_DEFLATE_RATIO = 1100  # deflate packs at most 1,032 bytes into one


def encode_parts(parts: Parts, messages: Any) -> list[Tensor]:
    """Add each part to a repeated field of `Part`, by name, and return the arrays whose bytes make the payload."""
    tensors: list[Tensor] = []
    for name, block in sorted(parts.items()):
        tensors += encode_block(block, messages.add(name=name).block)
    return tensors


def decode_parts(
    messages: Iterable[pb.Part],
    payload: Payload,
    open_rows: int,
    width: int,
    outlines: Mapping[str, Outline] | None = None,
) -> dict[str, Block]:
    """Return parts by name; their arrays lie in `payload`. See `decode_block`.

    Raises:
        RefusalError: a block contradicts itself, two parts have one name, or the payload is not all theirs.
    """
    parts: dict[str, Block] = {}
    offset = 0
    for message in messages:
        if message.name in parts or len(parts) == _MAX_PARTS:
            raise KeysError(f"part {message.name[:80]!r} is one too many", expected=f"{_MAX_PARTS} parts, each once")
        outline = read_outline(message.block) if outlines is None else outlines[message.name]
        parts[message.name], offset = decode_block(message.block, outline, payload, offset, open_rows, width)
    if offset != payload.size:
        raise ShapeError(
            "the arrays' shapes do not add up", expected=f"arrays that fill {payload.size} bytes of payload"
        )
    return parts


def read_outlines(messages: Iterable[pb.Part]) -> dict[str, Outline]:
    """Return what a head says of its parts' values. Raises ShapeError if no arrays could have that form."""
    return {message.name: read_outline(message.block) for message in messages}


def encode_block(block: Block, message: pb.Block) -> list[Tensor]:
    """Fill in the message, and return the arrays whose bytes make the payload.

    Arrays of bytes, which hold quantised values, are deflated if that makes them smaller.
    """
    arrays = [array for tensor in block.values for array in travelling(tensor)]
    if isinstance(block.keys, Rows):
        if block.space is Space.MADE:
            message.made = len(block.keys)
        else:
            field = message.open_indices if block.space is Space.OPEN else message.classes
            field.CopyFrom(encode_rows(block.keys))
        message.encoding.CopyFrom(encode_encoding(block.outline.encoding))
        message.row_shape.extend(block.array.shape[1:])
    else:
        message.parameters.names.extend(block.keys)
    message.kind = KIND_NUMBERS[block.kind]
    if isinstance(block.weight, np.ndarray):
        message.key_weights.extend(block.weight.tolist())
    else:
        message.weight = block.weight
    tensors: list[Tensor] = []
    for array in arrays:
        entry = message.values.add(element_type=ELEMENT_TYPES[array.dtype.newbyteorder("<")], shape=array.shape)
        packed = _deflated(array)
        if packed is not None:
            entry.deflated_size = len(packed)
        tensors.append(array if packed is None else packed)
    return tensors


def _deflated(array: Tensor) -> NDArray[np.uint8] | None:
    """Return an array of bytes in memory deflated; None for any other, or if that would not be smaller."""
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        return None
    packed = zlib.compress(np.ascontiguousarray(array).data, 9)
    return np.frombuffer(packed, np.uint8) if len(packed) < array.nbytes else None


def read_outline(message: pb.Block) -> Outline:
    """Return what a head says of its block's values. Raises ShapeError if no arrays could have that form."""
    kind = KINDS.get(message.kind)
    if kind is None:
        raise ShapeError(f"values of unknown kind {message.kind}", expected=f"one of {', '.join(Kind)}")
    if len(message.values) > _MAX_TENSORS:
        raise ShapeError(f"{len(message.values)} arrays", expected=f"at most {_MAX_TENSORS}")
    layout = []
    for tensor in message.values:
        dtype = ELEMENTS.get(tensor.element_type)
        if dtype is None or not 1 <= len(tensor.shape) <= _MAX_AXES:
            raise ShapeError(f"an array of element type {tensor.element_type} and {len(tensor.shape)} axes")
        layout.append((dtype, tuple(tensor.shape)))
    row_shape = tuple(message.row_shape)
    if len(row_shape) >= _MAX_AXES or not all(row_shape) or 8 * math.prod(row_shape) > _MAX_ROW_BYTES:
        raise ShapeError(f"rows of shape {list(row_shape)[:9]}", expected=f"at most {_MAX_ROW_BYTES} bytes per row")
    encoding = decode_encoding(message.encoding, kind, row_shape) if message.HasField("encoding") else Plain("<f4")
    return Outline(kind, encoding, row_shape, tuple(layout))


def decode_block(  # noqa: PLR0913, PLR0917 - a block's message, where its values lie, and the bounds of both
    message: pb.Block, outline: Outline, payload: Payload, offset: int, open_rows: int, width: int
) -> tuple[Block, int]:
    """Return the block whose arrays begin at `offset` of `payload`, and where they end. `outline` is the message's.

    `open_rows` is the federation's number of open rows, `width` that of its classes.

    Raises:
        RefusalError: the block contradicts itself, or names rows or classes beyond these bounds.
    """
    arrays, offset = _make_arrays(outline, message.values, payload, offset)
    space, keys = _decode_keys(message, open_rows, width, len(arrays[0]) if arrays else 0)
    if isinstance(keys, Rows):
        wanted = outline.encoding.layout(len(keys), outline.row_shape)
        if outline.layout != wanted:
            raise ShapeError(
                f"{len(keys)} rows of {list(outline.row_shape)} as {outline.encoding}, and {_say(outline.layout)}",
                expected=_say(wanted),
            )
        values: tuple[Tensor, ...] = (_assemble(arrays, outline),)
    elif len(keys) != len(arrays) or outline.row_shape:
        raise ShapeError(f"{len(keys)} names and {len(arrays)} arrays", expected="one array per name")
    else:
        values = tuple(arrays)
    weight: int | NDArray[np.int64] = message.weight or 1
    if message.key_weights:
        if not isinstance(keys, Rows) or len(message.key_weights) != len(keys) or max(message.key_weights) >= 1 << 62:
            raise ValuesError(f"{len(message.key_weights)} weights for {len(keys)} keys", expected="one weight per key")
        weight = np.array(message.key_weights, np.int64)
    return Block(space, keys, outline.kind, values, weight), offset


def _decode_keys(message: pb.Block, open_rows: int, width: int, rows: int) -> tuple[Space, Rows | tuple[str, ...]]:
    match message.WhichOneof("keys"):
        case "open_indices":
            return Space.OPEN, decode_rows(message.open_indices, open_rows)
        case "classes":
            return Space.CLASSES, decode_rows(message.classes, width)
        case "parameters":
            return Space.PARAMETERS, tuple(message.parameters.names)
        case "made":
            if message.made != rows:
                raise ShapeError(f"{message.made} made rows, and an array of {rows}")
            return Space.MADE, Rows(np.arange(rows))
        case _:
            raise KeysError("the block has no keys", expected="open indices, classes, made rows or parameter names")


def _assemble(arrays: list[Any], outline: Outline) -> Tensor:
    """Return the values that arrays hold. Class numbers are checked, because reading relies on them."""
    match outline.encoding:
        case Quantised(bits):
            return QuantisedRows(arrays[0], bits, outline.row_shape, outline.kind.low, outline.kind.high)
        case OneClass():
            (width,) = outline.row_shape
            for start, votes in slices(arrays[0]):
                _require(votes < width, start, f"class numbers below {width}")
            return VoteRows(arrays[0], width)
        case Top():
            (width,) = outline.row_shape
            for start, columns in slices(arrays[0]):
                ascending = (np.diff(columns.astype(np.int64), axis=1) > 0).all(axis=1)
                _require(ascending & (columns[:, -1] < width), start, f"columns below {width}, ascending")
            return SparseRows(arrays[0], arrays[1], width)
        case Plain():
            tensor: Tensor = arrays[0]
            return tensor


def _require(good: NDArray[np.bool_], start: int, expected: str) -> None:
    if not good.all():
        raise ValuesError(f"row {start + int(np.argmin(good))} of the block is not {expected}", expected=expected)


def _make_arrays(
    outline: Outline, messages: Iterable[pb.Tensor], payload: Payload, offset: int
) -> tuple[list[Any], int]:
    arrays: list[Any] = []
    for (dtype, shape), message in zip(outline.layout, messages, strict=True):
        row_bytes = math.prod(shape[1:], start=dtype.itemsize)  # Python integers: no product can wrap around
        size = shape[0] * row_bytes
        taken = message.deflated_size or size
        if offset + taken > payload.size or not 0 < row_bytes <= _MAX_ROW_BYTES:
            raise ShapeError(
                "the arrays' shapes do not add up", expected=f"arrays that fill {payload.size} bytes of payload"
            )
        if message.deflated_size:
            packed = payload.tensor(offset, np.dtype(np.uint8), (taken,))
            arrays.append(_inflate(packed, size).view(dtype).reshape(shape))
        else:
            arrays.append(payload.tensor(offset, dtype, shape))
        offset += taken
    return arrays, offset


def _inflate(packed: Tensor, size: int) -> NDArray[np.uint8]:
    """Return the `size` bytes that were deflated. Nothing beyond them is ever inflated."""
    if size > min(_MAX_INFLATED, _DEFLATE_RATIO * len(packed)):
        raise ShapeError(f"{len(packed)} deflated bytes that should hold {size}")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(np.ascontiguousarray(packed[:]).data, size + 1)
    except zlib.error as error:
        raise StreamError(f"an array cannot be inflated: {error}", remedy="push again") from error
    if len(content) != size or not unpacker.eof or unpacker.unused_data:
        raise StreamError("a deflated array has another size than its shape", expected=f"{size} bytes")
    return np.frombuffer(bytearray(content), np.uint8)


def _say(layout: Iterable[tuple[np.dtype[Any], tuple[int, ...]]]) -> str:
    return " and ".join(f"{dtype.name} {list(shape)}" for dtype, shape in list(layout)[:3]) or "no array"
