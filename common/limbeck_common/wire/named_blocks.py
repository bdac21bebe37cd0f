"""Blocks under names, and row numbers, in one piece: what a process and its worker exchange, and what lies in a file.

A frame per block: the lengths of the name, the head and the payload in 4, 4 and 8 bytes (big-endian), then the name in
UTF-8, the head (a protobuf `Block`) and the payload.
"""

import struct
from collections.abc import Mapping

from google.protobuf.message import DecodeError

from limbeck_common.core.errors import StreamError
from limbeck_common.core.messages import Block, Rows
from limbeck_common.core.spec import MAX_WIDTH
from limbeck_common.wire.codec import decode_block, encode_block
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2

_LENGTHS = struct.Struct(">IIQ")


def write_blocks(blocks: Mapping[str, Block]) -> bytes:
    """Return blocks under names as bytes, by name.

    >>> import numpy as np
    >>> from limbeck_common.core.messages import parameters
    >>> data = write_blocks({"teacher": parameters({"bias": np.arange(2)})})
    >>> read_blocks(data, open_rows=0)["teacher"].parameters
    {'bias': array([0., 1.], dtype=float32)}
    """
    pieces = []
    for name, block in sorted(blocks.items()):
        head = block_pb2.Block()
        payload = b"".join(chunks(encode_block(block, head)))
        packed, named = head.SerializeToString(), name.encode()
        pieces += [_LENGTHS.pack(len(named), len(packed), len(payload)), named, packed, payload]
    return b"".join(pieces)


def read_blocks(data: bytes, open_rows: int, classes: int = MAX_WIDTH) -> dict[str, Block]:
    """Return the blocks that `write_blocks` wrote; their arrays are copies.

    Raises:
        RefusalError: `data` is something else, or names rows or classes beyond these bounds.
    """
    blocks = {}
    while data:
        if len(data) < _LENGTHS.size:
            raise StreamError(f"{len(data)} bytes behind the last block", expected="another block, or none")
        named, packed, payload = _LENGTHS.unpack_from(data)
        start = _LENGTHS.size + named
        end = start + packed + payload
        if end > len(data):
            raise StreamError(f"blocks that end after {len(data)} bytes", expected=f"at least {end}")
        head = block_pb2.Block()
        try:
            name = data[_LENGTHS.size : start].decode()
            head.ParseFromString(data[start : start + packed])
        except (DecodeError, UnicodeDecodeError) as error:
            raise StreamError("a block whose name or head cannot be read") from error
        blocks[name] = decode_block(head, Payload.of(data[start + packed : end]), open_rows, classes)
        data = data[end:]
    return blocks


def write_rows(rows: Rows) -> bytes:
    """Return row numbers as the bytes of a protobuf `Indices`."""
    return encode_rows(rows).SerializeToString()


def read_rows(data: bytes, open_rows: int) -> Rows:
    """Return the rows that `write_rows` wrote.

    Raises:
        RefusalError: `data` is something else, or names rows beyond `open_rows`.
    """
    try:
        return decode_rows(block_pb2.Indices.FromString(data), open_rows)
    except DecodeError as error:
        raise StreamError("row numbers that cannot be read") from error
