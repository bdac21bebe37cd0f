"""One uplink off its stream. It is judged by its head first: no byte is kept of one that the round does not ask for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from limbeck_common.core.errors import SlowError, StreamError
from limbeck_common.core.messages import Receipt, Uplink
from limbeck_common.wire.codec import read_outline
from limbeck_common.wire.payload import GO_AHEAD, Payload
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.membership import Membership
from limbeck_server.round.validation import check_name, check_outline
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.settings import LimitSettings
from limbeck_server.storage.sqlite import INLINE_BYTES


@dataclass(frozen=True)
class ReceivedUplink:
    """An uplink as it came from `client`, whole; or without a payload, where its receipt is known already."""

    client: str
    head: pb.Uplink
    payload: Payload | Receipt


@dataclass(frozen=True)
class UplinkReceiver:
    """Takes uplinks off their streams, within the limits."""

    membership: Membership
    coordinator: Coordinator
    limits: LimitSettings
    authentication: Authentication

    async def take(self, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> ReceivedUplink:
        """Return the uplink of a stream. Where that fails, nothing of it stays behind.

        Raises:
            RefusalError: the round does not ask for it, it came too slowly, or it is more, or less, than declared.
        """
        seconds = self.limits.push_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._take(stream, context)
        except TimeoutError as error:
            raise SlowError(
                f"the uplink was not here after {seconds:g} s",
                expected="a whole one by then",
                remedy="use a faster connection, or have limits.push_seconds raised",
            ) from error

    async def _take(self, stream: AsyncIterator[pb.PushRequest], context: CallContext) -> ReceivedUplink:
        first = await anext(aiter(stream), None)
        if first is None:
            raise StreamError("an empty stream", expected="a head, then its payload")
        if not first.HasField("head"):
            raise StreamError("the first message has no head", expected="an Uplink as the head")
        head = first.head
        client = check_name(self.authentication.caller(context, head.client_name))
        limit = self._judge(client, head)
        if isinstance(limit, Receipt):
            await self.coordinator.park()
            return ReceivedUplink(client, head, limit)
        payload = Payload(head.payload_size, limit, self.coordinator.store.new_file, INLINE_BYTES)
        try:
            if head.payload_size > len(first.chunk):
                await context.send_initial_metadata((GO_AHEAD,))
            payload.add(first.chunk)
            async for request in stream:
                if request.HasField("head"):
                    raise StreamError("a second head in one stream", expected="one uplink a Push")
                payload.add(request.chunk)
            payload.close()
            self.authentication.caller(context, client)  # again: it may have been revoked meanwhile
        except BaseException:
            payload.discard()
            raise
        return ReceivedUplink(client, head, payload)

    def _judge(self, client: str, head: pb.Uplink) -> Receipt | int:
        """Return the receipt of an uplink that will not be counted, or how many bytes of payload it may have."""
        self.membership.check(head.federation_id)
        announced = Uplink(head.federation_id, client, head.round, None, dict(head.metrics), head.digest)
        receipt, ask = self.coordinator.expect(client, announced)
        if receipt is not Receipt.ACCEPTED:
            return receipt
        outline = read_outline(head.contribution) if head.HasField("contribution") else None
        return min(check_outline(outline, ask, self.coordinator.spec), self.limits.payload_bytes)
