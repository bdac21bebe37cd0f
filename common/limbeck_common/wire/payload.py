"""A message's payload: the run of bytes behind its head, sent in chunks.

A payload is collected in memory, or in a file if it is large: the receiver's memory then does not grow with it.
"""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.arrays.tensors import Tensor, slices
from limbeck_common.core.errors import SizeError, StreamError

CHUNK_BYTES = 1 << 18
HEAD_BYTES = 1 << 16
"""The largest head, apart from its row numbers."""

GO_AHEAD = ("limbeck-go-ahead", "1")
"""Initial metadata by which the server says that it accepted the head, and the rest of the payload may come."""


def chunks(tensors: Sequence[Tensor]) -> Iterator[bytes]:
    """Yield the tensors' bytes, little-endian, one tensor after the other, in chunks of at most 256 KiB."""
    for tensor in tensors:
        for _, part in slices(tensor):
            view = _little(part).data.cast("B")
            for start in range(0, len(view), CHUNK_BYTES):
                yield bytes(view[start : start + CHUNK_BYTES])


def message_bytes(open_rows: int) -> int:
    """Return the largest size in bytes of one message of a stream: a head, its row numbers as a bitmap, and a chunk.

    >>> message_bytes(0), message_bytes(8_000_000)
    (327680, 1327680)
    """
    return HEAD_BYTES + open_rows // 8 + CHUNK_BYTES


class Payload:
    """Collects the chunks of a payload whose size, in bytes, the head declared.

    Up to `inline` bytes stay in memory; more go to the file that `new_file(size)` names, if it is given.

    >>> payload = Payload(size=4, limit=100)
    >>> payload.add(bytes([1, 2, 3]))
    >>> payload.add(bytes([4]))
    >>> payload.close()
    >>> payload.tensor(0, np.dtype("<u2"), (2,))
    array([ 513, 1027], dtype=uint16)

    Raises:
        SizeError: the head declares more than `limit` bytes, or more bytes arrive than it declared.
        StreamError: fewer bytes arrive.
    """

    def __init__(
        self, size: int, limit: int, new_file: Callable[[int], Path] | None = None, inline: int = 1 << 20
    ) -> None:
        if size > limit:
            raise SizeError(f"a payload of {size} bytes", expected=f"at most {limit}")
        self.size = size
        self.path = new_file(size) if new_file is not None and size > inline else None
        self._filled = 0
        self._memory = bytearray(0 if self.path else size)
        self._file: BinaryIO | None = self.path.open("wb") if self.path else None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return a payload that is complete."""
        payload = cls(len(content), len(content))
        payload.add(content)
        return payload

    @classmethod
    def at(cls, path: Path, size: int) -> Self:
        """Return a payload that lies in a file."""
        payload = cls(0, 0)
        payload.size, payload.path = size, path
        return payload

    def add(self, chunk: bytes) -> None:
        """Append a chunk."""
        end = self._filled + len(chunk)
        if end > self.size:
            raise SizeError(f"at least {end} bytes of payload", expected=f"the {self.size} that the head declared")
        if self._file:
            self._file.write(chunk)
        else:
            self._memory[self._filled : end] = chunk
        self._filled = end

    def close(self) -> None:
        """Check that the payload is complete, and make it ready to be read."""
        if self._file:
            self._file.close()
        if self._filled != self.size:
            raise StreamError(
                f"the stream ended after {self._filled} bytes of payload",
                expected=f"the {self.size} that the head declared",
                remedy="push again",
            )

    def discard(self) -> None:
        """Drop the payload, and its file if it has one."""
        if self._file:
            with contextlib.suppress(OSError):  # a full disk cannot take what is still buffered
                self._file.close()
        if self.path:
            self.path.unlink(missing_ok=True)

    def tensor(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Tensor:
        """Return the array at `offset`, without a copy. The caller must have checked that it lies within."""
        if self.path:
            return FileArray(self.path, offset, dtype, shape)
        return np.frombuffer(self._memory, dtype, math.prod(shape), offset).reshape(shape)


def digest_tensors(hasher: "hashlib._Hash", tensors: Sequence[Tensor]) -> None:
    """Feed each tensor's element type, shape and little-endian bytes to `hasher`."""
    for tensor in tensors:
        shape = "x".join(map(str, tensor.shape))
        hasher.update(f"{tensor.dtype.newbyteorder('<').str} {shape}\n".encode())
        for _, part in slices(tensor):
            hasher.update(_little(part).data)


def _little(part: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(part, part.dtype.newbyteorder("<"))
