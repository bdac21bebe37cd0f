"""The name of an open set: a digest of its content."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError

_SLICE_BYTES = 16 << 20  # hashed at a time


def open_digest(open_rows: NDArray[Any]) -> bytes:
    """Return the 32 bytes that name an open set, shape [rows, ...], by its content, order and element type.

    They are the SHA-256 of the line "limbeck-open-v1 DTYPE AxBxC", where DTYPE is little-endian as NumPy writes it
    ("|u1", "<f4"), followed by the elements in C order, little-endian. Strides and byte order do not matter. Rows are
    copied a slice at a time, so a memory map may be larger than memory.

    >>> open_digest(np.array([[0, 1], [2, 3]], np.uint8)).hex()[:16]
    '78cf1bceb128379a'

    Raises:
        DataError: `open_rows` is not an array of plain numbers.
    """
    dtype = open_rows.dtype.newbyteorder("<")
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize or open_rows.ndim == 0:
        raise DataError(
            f"open data cannot be {open_rows.dtype} of shape {open_rows.shape}",
            expected="an array [rows, ...] of booleans, integers or floats of at most 64 bits",
        )
    shape = "x".join(str(length) for length in open_rows.shape)
    digest = hashlib.sha256(f"limbeck-open-v1 {dtype.str} {shape}\n".encode())
    row_bytes = dtype.itemsize * int(np.prod(open_rows.shape[1:]))
    step = max(1, _SLICE_BYTES // max(1, row_bytes))
    for start in range(0, len(open_rows), step):
        digest.update(np.ascontiguousarray(open_rows[start : start + step], dtype=dtype).data)
    return digest.digest()
