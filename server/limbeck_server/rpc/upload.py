"""One uplink off its stream: judged by its head first, so that nothing is kept of one that the round does not want."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from limbeck_common.core.errors import LimbeckError, SlowError, StreamError
from limbeck_common.core.messages import Receipt, Uplink
from limbeck_common.core.spec import check_name
from limbeck_common.wire.blocks import read_outlines
from limbeck_common.wire.codec import decode_uplink
from limbeck_common.wire.payload import GO_AHEAD, Payload
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.federation import Federation
from limbeck_server.round.admission import Admission
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.rpc.registration import check_parsed
from limbeck_server.settings import LimitSettings
from limbeck_server.storage.protocols import INLINE_BYTES

_log = structlog.get_logger()


@dataclass(frozen=True)
class Received:
    """An uplink's client, its receipt, and its bytes, head and payload."""

    client: str
    receipt: Receipt
    size: int


@dataclass
class Uploads:
    """Receives uplinks within the limits."""

    federation: Federation
    limits: LimitSettings
    authentication: Authentication
    completing: set[asyncio.Task[Receipt]] = field(default_factory=set)  # whole uplinks that are being judged

    async def receive(self, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> Received:
        """Return what became of a stream's uplink. Where that fails, nothing of it stays behind.

        Raises:
            RefusalError: the round does not want it, it came too slowly, or it is not what its head declared.
        """
        admission, head, payload = await self._take(stream, context)
        if payload is None:
            return Received(admission.uplink.client, admission.receipt, head.ByteSize())
        size = head.ByteSize() + payload.size
        if payload.path is None:  # decided in one go; its client may hang up while it waits for the receipt
            return Received(admission.uplink.client, await self._complete(admission, head, payload), size)
        # It outlives its call: a client that hangs up now must not take back what was decided, and its file.
        completing = asyncio.create_task(self._complete(admission, head, payload))
        self.completing.add(completing)
        completing.add_done_callback(self._settle)
        receipt = await asyncio.shield(completing)
        return Received(admission.uplink.client, receipt, size)

    async def _take(
        self, stream: AsyncIterator[pb.PushRequest], context: CallContext
    ) -> tuple[Admission, pb.Uplink, Payload | None]:
        """Return an uplink's admission, its head and, where it is worth having, its whole payload."""
        seconds = self.limits.push_seconds
        payload = None
        try:
            async with asyncio.timeout(seconds):
                first = check_parsed(await anext(aiter(stream), None))
                if first is None:
                    raise StreamError("an empty stream", expected="a head, then its payload")
                if not first.HasField("head"):
                    raise StreamError("the first message has no head", expected="an Uplink as the head")
                head = first.head
                admission = await self._admit(head, context)
                if admission.receipt is Receipt.ACCEPTED:
                    new_file = self.federation.store.new_file
                    payload = Payload(head.payload_size, admission.payload_bytes, new_file, INLINE_BYTES)
                    await _fill(payload, first.chunk, stream, context)
                    self.authentication.caller(context, admission.uplink.client)  # it may be revoked by now
        except BaseException as error:
            if payload is not None:
                payload.discard()
            if isinstance(error, TimeoutError):
                raise SlowError(
                    f"the uplink had not arrived after {seconds:g} s",
                    expected="a whole uplink by then",
                    remedy="use a faster connection, or have limits.push_seconds raised",
                ) from error
            raise
        return admission, head, payload

    async def _admit(self, head: pb.Uplink, context: CallContext) -> Admission:
        client = check_name(self.authentication.caller(context, head.client_name))
        self.federation.membership.check(head.federation_id, head.epoch)
        uplink = Uplink(head.federation_id, client, head.round, {}, dict(head.metrics), head.digest, head.epoch)
        return await self.federation.admissions.admit(uplink, read_outlines(head.parts))

    async def _complete(self, admission: Admission, head: pb.Uplink, payload: Payload) -> Receipt:
        """Have a whole uplink judged. Its payload stays only where it is accepted."""
        receipt = None
        try:
            spec = self.federation.spec
            if payload.path is None:
                uplink = decode_uplink(head, payload, spec.open_rows, spec.output.width, admission.outlines)
            else:  # the digest of a large block takes a while, so it is computed beside the event loop
                uplink = await asyncio.to_thread(decode_uplink, head, payload, spec.open_rows, spec.output.width)
            receipt = await self.federation.admissions.complete(admission, uplink.parts)
        finally:
            if receipt is not Receipt.ACCEPTED:
                payload.discard()
        return receipt

    def _settle(self, done: asyncio.Task[Receipt]) -> None:
        """Log an error that no caller may be left to hear of."""
        self.completing.discard(done)
        if not done.cancelled() and (error := done.exception()) and not isinstance(error, LimbeckError):
            _log.error("an uplink could not be judged", exc_info=error)


async def _fill(payload: Payload, first: bytes, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> None:
    """Gather a payload's chunks, of which `first` came with the head."""
    if payload.size > len(first):
        await context.send_initial_metadata((GO_AHEAD,))
    payload.add(first)
    async for request in stream:
        check_parsed(request)
        if request.HasField("head"):
            raise StreamError("a second head in one stream", expected="one uplink per Push")
        payload.add(request.chunk)
    payload.close()
