"""Blocks as the journal files them: a row of the table `blocks`, and a file beside it where the values are large."""

import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from limbeck_common.errors import DataError
from limbeck_common.messages import Block, FileArray, Kind, Rows, Space, Tensor
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1.block_pb2 import Indices


def to_row(block: Block) -> dict[str, Any]:
    """Return the columns that hold a block of predictions."""
    values = block.predictions
    filename = values.path.name if isinstance(values, FileArray) else None
    return {
        "kind": block.kind.value,
        "temperature": float(np.float32(block.temperature)),  # as it travels
        "dtype": values.dtype.str,
        "columns": values.shape[1],
        "rows": _rows_to_bytes(block.keys),
        "values": None if filename else np.ascontiguousarray(values[:]).tobytes(),
        "file": filename,
    }


def to_block(row: Mapping[str, Any], folder: Path, population: int) -> Block:
    """Return the block that `to_row` wrote. Its row numbers are below `population`; large values lie in `folder`.

    Raises:
        DataError, KeysError: `to_row` wrote no such row.
    """
    try:
        rows = decode_rows(Indices.FromString(row["rows"]), population)
        dtype, shape = np.dtype(row["dtype"]), (len(rows), row["columns"])
        if dtype.kind not in "fiu" or not shape[1] > 0:
            raise ValueError(f"type {dtype} and shape {shape}")
        values: Tensor
        if row["file"] is None:
            values = np.frombuffer(row["values"], dtype).reshape(shape)
        elif Path(row["file"]).name != row["file"]:
            raise ValueError("its file lies elsewhere")
        else:
            values = FileArray(folder / row["file"], 0, dtype, (len(rows), operator.index(row["columns"])))
        return Block(Space.OPEN, rows, Kind(row["kind"]), (values,), float(row["temperature"]))
    except (DecodeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"a stored block cannot be read: {error}", remedy="limbeck-server audit") from error


def _rows_to_bytes(keys: Rows | tuple[str, ...]) -> bytes:
    if not isinstance(keys, Rows):
        raise TypeError("only predictions on rows are stored")
    return encode_rows(keys).SerializeToString()
