"""From messages to protobuf heads and payloads, and back. Blocks are in `blocks`, plans in `plans`."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError

from limbeck_common.core.arrays.tensors import Tensor, nbytes
from limbeck_common.core.blocks import Outline
from limbeck_common.core.errors import StreamError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import MAX_WIDTH
from limbeck_common.wire.blocks import decode_parts, encode_parts
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.plans import decode_plan, encode_plan
from limbeck_common.wire.v1 import federation_pb2

_Head = TypeVar("_Head", federation_pb2.Downlink, federation_pb2.Uplink)


def encode_downlink(downlink: Downlink) -> tuple[federation_pb2.Downlink, list[Tensor]]:
    """Return the head, and the arrays whose bytes make the payload."""
    head = federation_pb2.Downlink(
        federation_id=downlink.federation_id,
        round=downlink.round,
        deadline_seconds=downlink.deadline_seconds,
        closing=downlink.closing,
    )
    if downlink.plan is not None:
        encode_plan(downlink.plan, head.plan)
    if downlink.aggregate is None:
        return head, []
    head.aggregate.digest = parts_digest(downlink.aggregate)
    tensors = encode_parts(downlink.aggregate, head.aggregate.parts)
    head.payload_size = sum(map(nbytes, tensors))
    return head, tensors


def encode_uplink(uplink: Uplink) -> tuple[federation_pb2.Uplink, list[Tensor]]:
    """Return the head, and the arrays whose bytes make the payload."""
    head = federation_pb2.Uplink(
        federation_id=uplink.federation_id,
        client_name=uplink.client,
        round=uplink.round,
        metrics=dict(uplink.metrics),
        digest=uplink.digest,
        epoch=uplink.epoch,
    )
    tensors = encode_parts(uplink.parts, head.parts)
    head.payload_size = sum(map(nbytes, tensors))
    return head, tensors


def decode_downlink(
    head: federation_pb2.Downlink, payload: Payload, open_rows: int, width: int = MAX_WIDTH
) -> Downlink:
    """Return the downlink; its arrays lie in `payload`. `width` is the federation's number of classes.

    Raises:
        RefusalError: the message contradicts itself, names rows or classes beyond these bounds, or its aggregate does
            not have the digest that it claims.
    """
    parts = decode_parts(head.aggregate.parts, payload, open_rows, width)
    if head.HasField("aggregate") and parts_digest(parts) != head.aggregate.digest:
        raise StreamError("the aggregate does not have the digest that it claims", remedy="pull again")
    return Downlink(
        federation_id=head.federation_id,
        round=head.round,
        aggregate=parts if head.HasField("aggregate") else None,
        plan=None if head.closing else decode_plan(head.plan, open_rows, width),
        deadline_seconds=head.deadline_seconds,
    )


def decode_uplink(
    head: federation_pb2.Uplink,
    payload: Payload,
    open_rows: int,
    width: int = MAX_WIDTH,
    outlines: Mapping[str, Outline] | None = None,
) -> Uplink:
    """Return the uplink; its arrays lie in `payload`. `width` is the federation's number of classes.

    `outlines` are its parts', where they have been read already.

    Raises:
        RefusalError: the message contradicts itself, names rows or classes beyond these bounds, or does not have the
            digest that it claims.
    """
    parts = decode_parts(head.parts, payload, open_rows, width, outlines)
    if parts_digest(parts) != head.digest:
        raise StreamError("the contribution does not have the digest that it claims", remedy="push again")
    return Uplink(head.federation_id, head.client_name, head.round, parts, dict(head.metrics), head.digest, head.epoch)


def write_message(head: federation_pb2.Downlink | federation_pb2.Uplink, tensors: Iterable[Tensor]) -> bytes:
    """Return a whole message in one piece: the head's length in 4 bytes, the head, the payload."""
    packed = head.SerializeToString()
    return b"".join([len(packed).to_bytes(4, "big"), packed, *chunks(tuple(tensors))])


def read_message(data: bytes, head: _Head) -> tuple[_Head, Payload]:
    """Return `head`, filled in, and the payload of what `write_message` wrote.

    Raises:
        RefusalError: `data` is something else.
    """
    start = 4 + int.from_bytes(data[:4], "big")
    try:
        head.ParseFromString(data[4:start])
    except DecodeError as error:
        raise StreamError("a message whose head cannot be read") from error
    payload = Payload(head.payload_size, len(data))
    payload.add(data[start:])
    payload.close()
    return head, payload
