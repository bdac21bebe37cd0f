"""Parts under names, in one piece: what a process and its worker exchange, and what lies in a file.

A frame per name: the lengths of the name, the head and the payload in 4, 4 and 8 bytes (big-endian), then the name in
UTF-8, the head (a protobuf `Parts`) and the payload.
"""

import struct
from collections.abc import Mapping

from google.protobuf.message import DecodeError

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import StreamError
from limbeck_common.core.spec import MAX_WIDTH
from limbeck_common.wire.blocks import decode_parts, encode_parts
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1 import block_pb2

_LENGTHS = struct.Struct(">IIQ")


def write_named(named: Mapping[str, Parts]) -> bytes:
    """Return parts under names as bytes, by name.

    >>> import numpy as np
    >>> from limbeck_common.core.blocks import parameters
    >>> data = write_named({"all": {"model": parameters({"bias": np.arange(2)})}})
    >>> read_named(data, open_rows=0)["all"]["model"].parameters
    {'bias': array([0., 1.], dtype=float32)}
    """
    pieces = []
    for name, parts in sorted(named.items()):
        head = block_pb2.Parts()
        payload = b"".join(chunks(encode_parts(parts, head.parts)))
        packed, title = head.SerializeToString(), name.encode()
        pieces += [_LENGTHS.pack(len(title), len(packed), len(payload)), title, packed, payload]
    return b"".join(pieces)


def read_named(data: bytes, open_rows: int, width: int = MAX_WIDTH) -> dict[str, Parts]:
    """Return the parts that `write_named` wrote; their arrays are copies.

    Raises:
        RefusalError: `data` is something else, or names rows or classes beyond these bounds.
    """
    named: dict[str, Parts] = {}
    while data:
        if len(data) < _LENGTHS.size:
            raise StreamError(f"{len(data)} bytes behind the last frame", expected="another frame, or none")
        title, packed, payload = _LENGTHS.unpack_from(data)
        start = _LENGTHS.size + title
        end = start + packed + payload
        if end > len(data):
            raise StreamError(f"frames that end after {len(data)} bytes", expected=f"at least {end}")
        head = block_pb2.Parts()
        try:
            name = data[_LENGTHS.size : start].decode()
            head.ParseFromString(data[start : start + packed])
        except (DecodeError, UnicodeDecodeError) as error:
            raise StreamError("a frame whose name or head cannot be read") from error
        named[name] = decode_parts(head.parts, Payload.of(data[start + packed : end]), open_rows, width)
        data = data[end:]
    return named
