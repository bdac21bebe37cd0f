"""How a client reaches its server: the protocol `Transport`, and gRPC behind it. The lab has one in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import grpc
from pydantic import ValidationError

from limbeck_common.core.blocks import Space
from limbeck_common.core.errors import StreamError
from limbeck_common.core.messages import Answer, Ended, Idle, Invitation, Receipt, Uplink
from limbeck_common.core.spec import PROTOCOL_VERSION, Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.wire.calls import translating
from limbeck_common.wire.codec import decode_downlink, encode_uplink
from limbeck_common.wire.credentials import Credentials, open_channel
from limbeck_common.wire.payload import GO_AHEAD, Payload, chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationStub

_JOIN_SECONDS = 30.0
_DECLINE_SECONDS = 30.0
_TRANSFER_SECONDS = 900.0  # for one message, however large and slow
_FIRST_WAIT = 2.0  # seconds
_MOST_PARAMETERS = 1 << 28  # bytes of a model, where the method exchanges weights
_RECEIPTS = {
    pb.RECEIPT_ACCEPTED: Receipt.ACCEPTED,
    pb.RECEIPT_DUPLICATE: Receipt.DUPLICATE,
    pb.RECEIPT_LATE: Receipt.LATE,
}


@dataclass(frozen=True)
class Member:
    """Who calls, and under which federation and epoch, as Join returned them."""

    federation_id: str
    epoch: int
    client: str


class Transport(Protocol):
    """The five calls of a client. Each raises RefusalError, or UnreachableError where trying again may help."""

    async def join(self, client: str, digest: bytes, output_width: int) -> Invitation:
        """Return the specification; with the open set's digest, also become a member."""

    async def pull(self, member: Member, after: int, learned: int, open_rows: int) -> Answer:
        """Wait for a round after `after`; `learned` is the last one begun."""

    async def push(self, uplink: Uplink) -> Receipt:
        """Send an uplink; once this returns ACCEPTED or DUPLICATE, the uplink is durable."""

    async def decline(self, member: Member, round_number: int) -> None:
        """Say that the client will not answer a round, so that nobody waits for it."""

    def open_data(self, federation_id: str, offset: int) -> AsyncIterator[bytes]:
        """Yield the open set's bytes from `offset` on."""


class GrpcTransport:
    """gRPC over mTLS, or in plain text without credentials. `wait`: how long a Pull stays open at most, in seconds."""

    def __init__(self, address: str, credentials: Credentials | None = None, wait: float = 300.0) -> None:
        self.address = address
        self._wait = wait
        self._next_wait = min(_FIRST_WAIT, wait)  # short, so that who waits in the lobby soon says so
        self._most = 0  # bytes of an aggregate that this client takes; the specification says how many
        self._width = 0
        self._channel = open_channel(address, credentials)
        self._stub = FederationStub(self._channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def join(self, client: str, digest: bytes, output_width: int) -> Invitation:
        """See `Transport`."""
        request = pb.JoinRequest(
            protocol_version=PROTOCOL_VERSION, client_name=client, open_digest=digest, output_width=output_width
        )
        with translating(self.address):
            answer = await self._stub.Join(request, timeout=_JOIN_SECONDS)
        spec = _specification(answer.spec_json)
        self._most, self._width = _aggregate_bytes(spec), spec.output.width
        size = answer.open_data_size if answer.open_data_served else 0
        return Invitation(
            answer.federation_id, answer.spec_json, answer.open_digest, size, answer.unix_seconds, answer.epoch
        )

    async def pull(self, member: Member, after: int, learned: int, open_rows: int) -> Answer:
        """See `Transport`."""
        request = pb.PullRequest(
            federation_id=member.federation_id,
            epoch=member.epoch,
            client_name=member.client,
            after_round=after,
            learned_round=learned,
            wait_seconds=self._next_wait,
        )
        head: pb.Downlink | None = None
        payload = Payload(0, 0)
        with translating(self.address):
            async for message in self._stub.Pull(request, timeout=self._next_wait + _TRANSFER_SECONDS):
                match message.WhichOneof("answer"):
                    case "idle":
                        self._next_wait = self._wait
                        return Idle(message.idle.phase, message.idle.round)
                    case "ended":
                        return Ended(message.ended.state, message.ended.reason)
                    case "head":
                        head = message.head
                        payload = Payload(head.payload_size, self._most)
                payload.add(message.chunk)
        if head is None:
            raise StreamError("the server answered a pull with nothing", expected="a downlink, idle or ended")
        payload.close()
        return decode_downlink(head, payload, open_rows, self._width)

    async def push(self, uplink: Uplink) -> Receipt:
        """See `Transport`."""
        with translating(self.address):
            answer = await self._send(uplink)
        receipt = _RECEIPTS.get(answer.receipt)
        if receipt is None:
            raise StreamError(f"the server gave the unknown receipt {answer.receipt}")
        return receipt

    async def _send(self, uplink: Uplink) -> pb.PushResponse:
        """Send the head, and the rest of the payload once the server has taken the head.

        If a refusal arrives while a message is being written, gRPC reports the failed write and drops the refusal.
        """
        head, tensors = encode_uplink(uplink)
        parts = chunks(tensors)
        first = next(parts, b"")
        call = self._stub.Push(timeout=_TRANSFER_SECONDS)
        try:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # `await call` says why
                await call.write(pb.PushRequest(head=head, chunk=first))
                if head.payload_size == len(first) or GO_AHEAD[0] in await call.initial_metadata():
                    for part in parts:
                        await call.write(pb.PushRequest(chunk=part))
                    await call.done_writing()
            answer: pb.PushResponse = await call
        finally:
            call.cancel()
        return answer

    async def decline(self, member: Member, round_number: int) -> None:
        """See `Transport`."""
        request = pb.DeclineRequest(
            federation_id=member.federation_id, epoch=member.epoch, client_name=member.client, round=round_number
        )
        with translating(self.address):
            await self._stub.Decline(request, timeout=_DECLINE_SECONDS)

    async def open_data(self, federation_id: str, offset: int) -> AsyncIterator[bytes]:
        """See `Transport`."""
        request = pb.OpenDataRequest(federation_id=federation_id, offset=offset)
        with translating(self.address):
            async for message in self._stub.OpenData(request, timeout=_TRANSFER_SECONDS):
                yield message.chunk


def _specification(spec_json: str) -> Spec:
    try:
        return Spec.model_validate_json(spec_json)
    except ValidationError as error:
        raise StreamError("the server sent no specification", expected="a limbeck server of this version") from error


def _aggregate_bytes(spec: Spec) -> int:
    """Return the most bytes that an aggregate of the federation's method may have."""
    forms = make_method(spec.method).forms(spec).down.values()
    return sum(form.most_bytes(spec.open_rows, spec.output.width) for form in forms) + _MOST_PARAMETERS * any(
        form.space is Space.PARAMETERS for form in forms
    )
