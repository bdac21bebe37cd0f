"""The Federation service: gRPC messages in, calls to the federation, gRPC messages out."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from limbeck_common.core.messages import Answer, Ended, Idle, Receipt
from limbeck_common.core.spec import check_name
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer
from limbeck_server.federation import Federation
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.rpc.encoded_downlinks import EncodedDownlinks
from limbeck_server.rpc.errors import refuse, refuse_after
from limbeck_server.rpc.upload import Uploads
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

    federation: Federation
    limits: LimitSettings
    traffic: Traffic
    authentication: Authentication = field(default_factory=Authentication)

    def __post_init__(self) -> None:
        self.uploads = Uploads(self.federation, self.limits, self.authentication)
        self._encoded = EncodedDownlinks()

    async def Join(self, request: pb.JoinRequest, context: CallContext) -> pb.JoinResponse:
        async with self._call(context):
            client = check_name(self.authentication.caller(context, request.client_name))
            invitation = await self.federation.membership.join(
                client, request.protocol_version, request.open_digest, request.output_width
            )
            answer = pb.JoinResponse(
                federation_id=invitation.federation_id,
                spec_json=invitation.spec_json,
                open_digest=invitation.open_digest,
                open_data_served=invitation.open_data_size > 0,
                open_data_size=invitation.open_data_size,
                unix_seconds=time.time(),
                epoch=invitation.epoch,
            )
            if client in self.federation.coordinator.state.members:  # or made-up names would fill the counters
                self.traffic.up[client] += request.ByteSize()
                self.traffic.down[client] += answer.ByteSize()
        return answer

    async def Pull(self, request: pb.PullRequest, context: CallContext) -> AsyncIterator[pb.PullResponse]:
        async with self._call(context):
            client = check_name(self.authentication.caller(context, request.client_name))
            self.federation.membership.check(request.federation_id, request.epoch)
            seconds = min(max(request.wait_seconds, 0.0), self.limits.pull_seconds)
            answer = await self.federation.downlinks.pull(client, request.after_round, seconds, request.learned_round)
            self.authentication.caller(context, client)  # again: it may have been revoked meanwhile
            for message in _pull_responses(answer, self._encoded):
                self.traffic.down[client] += message.ByteSize()
                yield message

    async def Push(self, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> pb.PushResponse:
        async with self._call(context):
            received = await self.uploads.receive(stream, context)
            number = self.federation.coordinator.state.round
            answer = pb.PushResponse(receipt=_RECEIPTS[received.receipt], round=number)
            self.traffic.up[received.client] += received.size
            self.traffic.down[received.client] += answer.ByteSize()
        return answer

    async def Decline(self, request: pb.DeclineRequest, context: CallContext) -> pb.DeclineResponse:
        async with self._call(context):
            client = check_name(self.authentication.caller(context, request.client_name))
            self.federation.membership.check(request.federation_id, request.epoch)
            await self.federation.membership.decline(client, request.round)
        return pb.DeclineResponse()

    async def OpenData(self, request: pb.OpenDataRequest, context: CallContext) -> AsyncIterator[pb.OpenDataResponse]:
        async with self._call(context):
            for chunk in self.federation.membership.stream(request.federation_id, request.offset):
                yield pb.OpenDataResponse(chunk=chunk)

    def _call(self, context: CallContext) -> "_Call":
        return _Call(context, self.authentication)


class _Call:
    """One client's call: counted while it is open, and refused where something is wrong with it."""

    def __init__(self, context: CallContext, authentication: Authentication) -> None:
        self._context = context
        self._authentication = authentication

    async def __aenter__(self) -> None:
        try:
            self._caller = self._authentication.enter(self._context)
        except Exception as error:  # noqa: BLE001 - every error ends the call with a status
            await refuse(self._context, error)

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._authentication.leave(self._caller)
        await refuse_after(self._context, error)


def _pull_responses(answer: Answer, encoded: EncodedDownlinks) -> Iterator[pb.PullResponse]:
    """Yield the messages of an answer: the first holds the head and the payload's first chunk."""
    match answer:
        case Idle():
            yield pb.PullResponse(idle=pb.Idle(phase=answer.phase, round=answer.round))
        case Ended():
            yield pb.PullResponse(ended=pb.Ended(state=answer.state, reason=answer.reason))
        case _:
            head, parts = encoded.encode(answer)
            yield pb.PullResponse(head=head, chunk=next(parts, b""))
            for part in parts:
                yield pb.PullResponse(chunk=part)
