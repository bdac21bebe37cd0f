"""Blocks as the journal files them: a row of the table `blocks`, and a file beside it where the values are large.

A row holds what travels: the block's head as protobuf, and its payload.
"""

import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from limbeck_common.core.errors import DataError, RefusalError
from limbeck_common.core.messages import Block, FileArray, nbytes
from limbeck_common.wire.codec import decode_block, encode_block
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1.block_pb2 import Block as Head


def to_row(block: Block) -> dict[str, Any]:
    """Return the columns that hold a block; those of `file_of` lie in its file."""
    head = Head()
    tensors = encode_block(block, head)
    filename = file_of(block)
    return {
        "head": head.SerializeToString(deterministic=True),
        "size": sum(map(nbytes, tensors)),
        "payload": None if filename else b"".join(chunks(tensors)),
        "file": filename,
    }


def file_of(block: Block) -> str | None:
    """Return the name of the file that holds a block's values, if they lie in one: all of them, from its start on."""
    first = block.values[0] if block.values else None
    return first.path.name if isinstance(first, FileArray) else None


def to_block(row: Mapping[str, Any], folder: Path, open_rows: int) -> Block:
    """Return the block that `to_row` wrote; large values lie in `folder`, its row numbers are below `open_rows`.

    Raises:
        DataError: `to_row` wrote no such row.
    """
    try:
        head = Head.FromString(row["head"])
        if row["file"] is None:
            payload = Payload.of(row["payload"])
        elif Path(row["file"]).name != row["file"]:
            raise ValueError("its file lies elsewhere")
        else:
            payload = Payload.at(folder / row["file"], operator.index(row["size"]))
        return decode_block(head, payload, open_rows)
    except (RefusalError, DecodeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"a stored block cannot be read: {error}", remedy="limbeck-server audit") from error
