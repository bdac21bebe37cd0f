"""The Federation service: gRPC messages in, calls to the membership and the coordinator, gRPC messages out."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from limbeck_common.core.messages import Answer, Ended, Idle, Receipt
from limbeck_common.wire.codec import decode_uplink, encode_downlink
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.membership import Membership
from limbeck_server.round.validation import check_name
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.rpc.errors import refusing
from limbeck_server.rpc.upload import UplinkReceiver
from limbeck_server.settings import LimitSettings

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

    membership: Membership
    coordinator: Coordinator
    limits: LimitSettings
    traffic: Traffic
    authentication: Authentication = field(default_factory=Authentication)
    settling: set[asyncio.Task[Receipt]] = field(default_factory=set)  # uplinks that are being judged

    def __post_init__(self) -> None:
        self._receiver = UplinkReceiver(self.membership, self.coordinator, self.limits, self.authentication)

    async def Join(self, request: pb.JoinRequest, context: CallContext) -> pb.JoinResponse:
        async with self._call(context):
            client = check_name(self.authentication.caller(context, request.client_name))
            invitation = await self.membership.join(
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
            if client in self.coordinator.state.members:  # or names that nobody has would fill the counters
                self.traffic.up[client] += request.ByteSize()
                self.traffic.down[client] += answer.ByteSize()
        return answer

    async def Pull(self, request: pb.PullRequest, context: CallContext) -> AsyncIterator[pb.PullResponse]:
        async with self._call(context):
            client = check_name(self.authentication.caller(context, request.client_name))
            self.membership.check(request.federation_id)
            wait = min(max(request.wait_seconds, 0.0), self.limits.pull_seconds)
            answer = await self.coordinator.pull(client, request.after_round, wait, request.learned_round)
            self.authentication.caller(context, client)  # again: it may have been revoked meanwhile
            for message in _pull_responses(answer):
                self.traffic.down[client] += message.ByteSize()
                yield message

    async def Push(self, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> pb.PushResponse:
        async with self._call(context):
            received = await self._receiver.take(stream, context)
            taken = received.head.ByteSize()
            if isinstance(received.payload, Receipt):
                receipt = received.payload
            else:
                # From here on it outlives its call: a client that hangs up now must not take back what was decided.
                settling = asyncio.create_task(self._settle(received.client, received.head, received.payload))
                self.settling.add(settling)
                settling.add_done_callback(self.settling.discard)
                receipt = await asyncio.shield(settling)
                taken += received.payload.size
            answer = pb.PushResponse(receipt=_RECEIPTS[receipt], round=self.coordinator.state.round)
            self.traffic.up[received.client] += taken
            self.traffic.down[received.client] += answer.ByteSize()
        return answer

    async def OpenData(self, request: pb.OpenDataRequest, context: CallContext) -> AsyncIterator[pb.OpenDataResponse]:
        async with self._call(context):
            for chunk in self.membership.stream(request.federation_id, request.offset):
                yield pb.OpenDataResponse(chunk=chunk)

    @asynccontextmanager
    async def _call(self, context: CallContext) -> AsyncIterator[None]:
        async with refusing(context):
            with self.authentication.admit(context):
                yield

    async def _settle(self, client: str, head: pb.Uplink, payload: Payload) -> Receipt:
        """Have a whole uplink judged. Its payload stays only where it is accepted."""
        receipt = None
        try:
            rows = self.coordinator.spec.open_rows
            if payload.path is None:
                uplink = decode_uplink(head, payload, rows)
            else:  # the digest of a large block takes a while: beside the loop
                uplink = await asyncio.to_thread(decode_uplink, head, payload, rows)
            receipt = await self.coordinator.push(client, uplink)
        finally:
            if receipt is not Receipt.ACCEPTED:
                payload.discard()
        return receipt


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
