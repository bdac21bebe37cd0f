"""A round's downlinks as messages, each encoded once for all clients that get the same."""

from collections.abc import Iterator
from typing import NamedTuple

from limbeck_common.core.messages import Downlink
from limbeck_common.wire.codec import encode_downlink
from limbeck_common.wire.payload import chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.storage.protocols import INLINE_BYTES


class _Encoded(NamedTuple):
    downlink: Downlink  # kept, so that no other can have its parts' identity meanwhile
    head: pb.Downlink
    chunks: list[bytes]


class EncodedDownlinks:
    """The open round's encoded downlinks. Large ones are read from their file for each client.

    Two downlinks are the same where plan and aggregate are the same objects; only their deadlines differ.
    """

    def __init__(self) -> None:
        self._round = 0
        self._made: dict[tuple[int, int], _Encoded] = {}

    @property
    def kept(self) -> int:
        """How many are in memory."""
        return len(self._made)

    def encode(self, downlink: Downlink) -> tuple[pb.Downlink, Iterator[bytes]]:
        """Return a downlink's head, and the chunks of its payload."""
        if downlink.round != self._round:
            self._round, self._made = downlink.round, {}
        key = id(downlink.aggregate), id(downlink.plan)
        if (known := self._made.get(key)) is None:
            head, tensors = encode_downlink(downlink)
            if head.payload_size > INLINE_BYTES:
                return head, chunks(tensors)
            known = self._made[key] = _Encoded(downlink, head, list(chunks(tensors)))
        known.head.deadline_seconds = downlink.deadline_seconds
        return known.head, iter(known.chunks)
