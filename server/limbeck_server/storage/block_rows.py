"""Parts as a store files them: a row of columns, and a file beside it where the values are large.

A row holds what travels, which is the parts' heads as protobuf and their payload, and the digest of the content.
"""

import contextlib
import operator
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from limbeck_common.core.arrays.encoded_rows import Packed
from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.arrays.tensors import nbytes, travelling
from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import DataError, RefusalError
from limbeck_common.core.spec import MAX_WIDTH
from limbeck_common.wire.blocks import decode_parts, encode_parts
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1.block_pb2 import Parts as Head
from limbeck_server.storage.protocols import PartsKey

_MOST_ROWS = 2**62  # row numbers were checked against the open set when the parts arrived
_TICK_NANOSECONDS = 1_000_000_000  # file systems may tell times no finer than this


def gather(parts: Parts, new_file: Callable[[int], Path]) -> Parts:
    """Return parts whose arrays are all in memory, or all in one file; `new_file` names one where that takes a copy.

    An uplink arrives so. The parts of an aggregate may each have been made in a file of their own.
    """
    arrays = _arrays(parts)
    if not any(isinstance(array, FileArray) for array in arrays) or _file_of(arrays) is not None:
        return parts
    head = Head()
    tensors = encode_parts(parts, head.parts)
    size = sum(map(nbytes, tensors))
    path = new_file(size)
    with path.open("wb") as file:
        for chunk in chunks(tensors):
            file.write(chunk)
    return decode_parts(head.parts, Payload.at(path, size), _MOST_ROWS, MAX_WIDTH)


def to_row(parts: Parts, digest: str | None = None) -> dict[str, Any]:
    """Return the columns that hold parts, once they are gathered; `digest` is theirs, if it is known.

    A payload in a file stays there.
    """
    message = Head()
    tensors = encode_parts(parts, message.parts)
    head = message.SerializeToString(deterministic=True)
    filename = _file_of(_arrays(parts))
    return {
        "digest": digest or parts_digest(parts).hex(),
        "head": head,
        "checksum": zlib.crc32(head),
        "size": sum(map(nbytes, tensors)),
        "payload": None if filename else b"".join(chunks(tensors)),
        "file": filename,
    }


def _arrays(parts: Parts) -> list[Packed]:
    """Return the arrays that travel, in their order."""
    return [array for _, block in sorted(parts.items()) for tensor in block.values for array in travelling(tensor)]


def _file_of(arrays: list[Packed]) -> str | None:
    """Return the name of the file that is all of these arrays, one after the other; None where there is none such."""
    files = [array for array in arrays if isinstance(array, FileArray)]
    if not files or len(files) < len(arrays) or files[0].offset:
        return None
    follows = all(b.path == a.path and b.offset == a.offset + nbytes(a) for a, b in pairwise(files))
    return files[0].path.name if follows else None


def to_parts(row: Mapping[str, Any], folder: Path, open_rows: int) -> Parts:
    """Return the parts that `to_row` wrote, without a look at their digest.

    Large values lie in `folder`; row numbers are below `open_rows`.

    Raises:
        DataError: `to_row` did not write such a row.
    """
    try:
        head = Head.FromString(row["head"])
        if row["file"] is None:
            payload = Payload.of(row["payload"])
        elif Path(row["file"]).name != row["file"]:
            raise ValueError("its file lies elsewhere")
        else:
            payload = Payload.at(folder / row["file"], operator.index(row["size"]))
        return decode_parts(head.parts, payload, open_rows, MAX_WIDTH)
    except (RefusalError, DecodeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"stored parts cannot be read: {error}", remedy="see: limbeck-server audit") from error


class RowReader:
    """Returns the parts of rows, each checked against its digest, and deletes the files of those that are deleted.

    Values in the database are hashed at every read. A file is hashed at the first read, and again when the file
    system says that it has changed: a round reads a large block slice by slice, many times.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._readers = 0
        self._doomed: set[str] = set()  # files to be deleted once nobody reads
        self._sound: dict[str, tuple[object, ...]] = {}  # by file, what it was like when its digest was found right

    def read(self, key: PartsKey, row: Mapping[str, Any]) -> Parts:
        """Return the parts that `row`, filed under `key`, holds.

        Raises:
            DataError: the row or its file is damaged.
        """
        try:
            if zlib.crc32(row["head"]) != row["checksum"]:  # a damaged head may name any number of rows
                raise DataError("its head is not as it was stored")
            parts = to_parts(row, self._folder, _MOST_ROWS)
            if row["file"] is None:
                _check_digest(parts, row["digest"])
            elif self._sound.get(row["file"]) != (fingerprint := self._fingerprint(row)):
                _check_digest(parts, row["digest"])
                self._note(row["file"], fingerprint)
        except (DataError, OSError, ValueError, TypeError) as error:
            why = error.wrong if isinstance(error, DataError) else str(error)
            raise DataError(f"the {key} is damaged: {why}", remedy="see: limbeck-server audit") from error
        return parts

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the files of blocks that are read in here, even if the parts are deleted meanwhile."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
            self.delete(())

    def delete(self, files: Iterable[str]) -> None:
        """Delete the files of parts that were deleted, now or when the last reader is done."""
        with self._lock:
            self._doomed.update(files)
            if self._readers:
                return
            for name in self._doomed:
                self._sound.pop(name, None)
                with contextlib.suppress(OSError):  # what is left is swept at the next start
                    (self._folder / name).unlink()
            self._doomed.clear()

    def _fingerprint(self, row: Mapping[str, Any]) -> tuple[object, ...]:
        """Return what changes when parts in a file change; the time of the last change comes first."""
        status = (self._folder / row["file"]).stat()
        where = (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_dev, status.st_ino)
        return (*where, row["head"], row["size"], row["digest"])

    def _note(self, file: str, fingerprint: tuple[Any, ...]) -> None:
        """Take a file as sound from now on, unless it is so new that another change could bear the same time."""
        if abs(time.time_ns() - fingerprint[0]) > _TICK_NANOSECONDS:
            self._sound[file] = fingerprint


def _check_digest(parts: Parts, digest: str) -> None:
    found = parts_digest(parts).hex()
    if found != digest:
        raise DataError(f"its digest is {found[:12]}, and {str(digest)[:12]} was stored with it")
