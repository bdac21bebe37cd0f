"""Blocks as a store files them: a row of columns, and a file beside it where the values are large.

A row holds what travels, which is the block's head as protobuf and its payload, and the digest of the content.
"""

import contextlib
import operator
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from limbeck_common.core.errors import DataError, RefusalError
from limbeck_common.core.messages import Block
from limbeck_common.core.tensors import FileArray, nbytes
from limbeck_common.wire.codec import block_digest, decode_block, encode_block
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1.block_pb2 import Block as Head
from limbeck_server.storage.protocols import BlockKey

_MOST_ROWS = 2**62  # row numbers were checked against the open set when the block arrived
_TICK_NANOSECONDS = 1_000_000_000  # file systems may tell times no finer than this


def to_row(block: Block) -> dict[str, Any]:
    """Return the columns that hold a block. The payload of a block in a file stays there."""
    message = Head()
    tensors = encode_block(block, message)
    head = message.SerializeToString(deterministic=True)
    filename = file_of(block)
    return {
        "digest": block_digest(block).hex(),
        "head": head,
        "checksum": zlib.crc32(head),
        "size": sum(map(nbytes, tensors)),
        "payload": None if filename else b"".join(chunks(tensors)),
        "file": filename,
    }


def file_of(block: Block) -> str | None:
    """Return the name of the file that holds all of a block's values, from its start on; None if they have none."""
    first = block.values[0] if block.values else None
    return first.path.name if isinstance(first, FileArray) else None


def to_block(row: Mapping[str, Any], folder: Path, open_rows: int) -> Block:
    """Return the block that `to_row` wrote, without a look at its digest.

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
        return decode_block(head, payload, open_rows)
    except (RefusalError, DecodeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"a stored block cannot be read: {error}", remedy="see: limbeck-server audit") from error


class RowReader:
    """Returns the blocks of rows, each checked against its digest, and deletes the files of those that are deleted.

    Values in the database are hashed at every read. A file is hashed at the first read, and again when the file
    system says that it has changed: a round reads a large block slice by slice, many times.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._readers = 0
        self._doomed: set[str] = set()  # files to be deleted once nobody reads
        self._sound: dict[str, tuple[object, ...]] = {}  # by file, what it was like when its digest was found right

    def read(self, key: BlockKey, row: Mapping[str, Any]) -> Block:
        """Return the block that `row`, filed under `key`, holds.

        Raises:
            DataError: the row or its file is damaged.
        """
        try:
            if zlib.crc32(row["head"]) != row["checksum"]:  # a damaged head may name any number of rows
                raise DataError("its head is not as it was stored")
            block = to_block(row, self._folder, _MOST_ROWS)
            if row["file"] is None:
                _check_digest(block, row["digest"])
            elif self._sound.get(row["file"]) != (fingerprint := self._fingerprint(row)):
                _check_digest(block, row["digest"])
                self._note(row["file"], fingerprint)
        except (DataError, OSError, ValueError, TypeError) as error:
            why = error.wrong if isinstance(error, DataError) else str(error)
            raise DataError(f"the {key} is damaged: {why}", remedy="see: limbeck-server audit") from error
        return block

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the files of blocks that are read in here, even if the blocks are deleted meanwhile."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
            self.delete(())

    def delete(self, files: Iterable[str]) -> None:
        """Delete the files of blocks that were deleted, now or when the last reader is done."""
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
        """Return what changes when a block in a file changes; the time of the last change comes first."""
        status = (self._folder / row["file"]).stat()
        where = (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_dev, status.st_ino)
        return (*where, row["head"], row["size"], row["digest"])

    def _note(self, file: str, fingerprint: tuple[Any, ...]) -> None:
        """Take a file as sound from now on, unless it is so new that another change could bear the same time."""
        if abs(time.time_ns() - fingerprint[0]) > _TICK_NANOSECONDS:
            self._sound[file] = fingerprint


def _check_digest(block: Block, digest: str) -> None:
    found = block_digest(block).hex()
    if found != digest:
        raise DataError(f"its digest is {found[:12]}, and {str(digest)[:12]} was stored with it")
