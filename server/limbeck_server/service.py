"""The Federation service: gRPC messages in, calls to the reception and the coordinator, gRPC messages out."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from limbeck_common.errors import StreamError
from limbeck_common.messages import Answer, Ended, Idle, Receipt
from limbeck_common.wire.codec import decode_uplink, encode_downlink
from limbeck_common.wire.payload import GO_AHEAD, Payload, chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer
from limbeck_server.coordinator import Coordinator
from limbeck_server.gate import check_name
from limbeck_server.identity import Context, Guard
from limbeck_server.reception import Reception
from limbeck_server.refuse import refusing
from limbeck_server.settings import LimitSettings
from limbeck_server.store import INLINE_BYTES, Store

_RECEIPTS = {
    Receipt.ACCEPTED: pb.RECEIPT_ACCEPTED,
    Receipt.DUPLICATE: pb.RECEIPT_DUPLICATE,
    Receipt.LATE: pb.RECEIPT_LATE,
}


@dataclass
class Traffic:
    """Bytes of messages taken from and sent to each client, since the daemon started."""

    up: Counter[str] = field(default_factory=Counter)
    down: Counter[str] = field(default_factory=Counter)


@dataclass
class FederationService(FederationServicer):
    """See proto/limbeck_common/wire/v1/federation.proto."""

    reception: Reception
    coordinator: Coordinator
    store: Store
    limits: LimitSettings
    traffic: Traffic
    guard: Guard = field(default_factory=Guard)
    settling: set[asyncio.Task[Receipt]] = field(default_factory=set)  # uplinks that are being judged

    async def Join(self, request: pb.JoinRequest, context: Context) -> pb.JoinResponse:
        async with refusing(context):
            client = check_name(self.guard.caller(context, request.client_name))
            invitation = await self.reception.join(
                client, request.protocol_version, request.open_digest, request.classes
            )
            answer = pb.JoinResponse(
                federation_id=invitation.federation_id,
                spec_json=invitation.spec_json,
                open_digest=invitation.open_digest,
                open_data_served=invitation.open_data_size > 0,
                open_data_size=invitation.open_data_size,
                unix_seconds=time.time(),
            )
            self.traffic.up[client] += request.ByteSize()
            self.traffic.down[client] += answer.ByteSize()
        return answer

    async def Pull(self, request: pb.PullRequest, context: Context) -> AsyncIterator[pb.PullResponse]:
        async with refusing(context):
            client = check_name(self.guard.caller(context, request.client_name))
            self.reception.check(request.federation_id)
            wait = min(max(request.wait_seconds, 0.0), self.limits.pull_seconds)
            answer = await self.coordinator.pull(client, request.after_round, wait)
            self.guard.caller(context, client)  # again: it may have been revoked meanwhile
            for message in _pull_responses(answer):
                self.traffic.down[client] += message.ByteSize()
                yield message

    async def Push(self, stream: AsyncIterator[pb.PushRequest], context: Context) -> pb.PushResponse:
        async with refusing(context):
            head, payload = await self._gather(stream, context)
            # From here on the uplink outlives its call: a client that hangs up now must not take back what was decided.
            settling = asyncio.create_task(self._settle(head, payload))
            self.settling.add(settling)
            settling.add_done_callback(self.settling.discard)
            receipt = await asyncio.shield(settling)
            answer = pb.PushResponse(receipt=_RECEIPTS[receipt], round=self.coordinator.state.round)
            self.traffic.up[head.client_name] += head.ByteSize() + payload.size
            self.traffic.down[head.client_name] += answer.ByteSize()
        return answer

    async def OpenData(self, request: pb.OpenDataRequest, context: Context) -> AsyncIterator[pb.OpenDataResponse]:
        async with refusing(context):
            self.guard.caller(context)
            for chunk in self.reception.stream(request.federation_id, request.offset):
                yield pb.OpenDataResponse(chunk=chunk)

    async def _gather(self, stream: AsyncIterator[pb.PushRequest], context: Context) -> tuple[pb.Uplink, Payload]:
        """Take a whole uplink off the stream. Where that fails, nothing of it stays behind."""
        head: pb.Uplink | None = None
        payload = Payload(0, 0)
        try:
            async for request in stream:
                if head is None:
                    head = self._check_head(request, context)
                    limit = self.limits.payload_bytes
                    payload = Payload(head.payload_size, limit, self.store.new_file, INLINE_BYTES)
                    if head.payload_size > len(request.chunk):
                        await context.send_initial_metadata((GO_AHEAD,))
                elif request.HasField("head"):
                    raise StreamError("a second head in one stream", expected="one uplink a Push")
                payload.add(request.chunk)
            if head is None:
                raise StreamError("an empty stream", expected="a head, then its payload")
            payload.close()
            self.guard.caller(context, head.client_name)  # again: it may have been revoked meanwhile
        except BaseException:
            payload.discard()
            raise
        return head, payload

    async def _settle(self, head: pb.Uplink, payload: Payload) -> Receipt:
        """Have an uplink judged. Its payload stays only where it is accepted."""
        receipt = None
        try:
            rows = self.coordinator.spec.open_rows
            if payload.path is None:
                uplink = decode_uplink(head, payload, rows)
            else:  # the digest of a large block takes a while: beside the loop
                uplink = await asyncio.to_thread(decode_uplink, head, payload, rows)
            receipt = await self.coordinator.push(head.client_name, uplink)
        finally:
            if receipt is not Receipt.ACCEPTED:
                payload.discard()
        return receipt

    def _check_head(self, request: pb.PushRequest, context: Context) -> pb.Uplink:
        if not request.HasField("head"):
            raise StreamError("the first message has no head", expected="an Uplink as the head")
        check_name(self.guard.caller(context, request.head.client_name))
        self.reception.check(request.head.federation_id)
        return request.head


def _pull_responses(answer: Answer) -> Iterator[pb.PullResponse]:
    """Yield the messages of an answer: the first holds the head and the payload's first chunk."""
    match answer:
        case Idle():
            yield pb.PullResponse(idle=pb.Idle(phase=answer.phase, round=answer.round))
        case Ended():
            yield pb.PullResponse(ended=pb.Ended(state=answer.state, reason=answer.reason))
        case _:
            head, tensors = encode_downlink(answer)
            parts = chunks(tensors)
            yield pb.PullResponse(head=head, chunk=next(parts, b""))
            for part in parts:
                yield pb.PullResponse(chunk=part)
