"""The transport of a simulation: the same messages, encoded and decoded, without a network."""

from collections import defaultdict
from collections.abc import AsyncIterator

from limbeck_client.transport import Member
from limbeck_common.core.messages import Answer, Downlink, Invitation, Receipt, Uplink
from limbeck_common.core.spec import PROTOCOL_VERSION
from limbeck_common.wire.codec import decode_downlink, decode_uplink, encode_downlink, encode_uplink
from limbeck_common.wire.payload import Payload, chunks
from limbeck_lab.results.byte_count import ByteCount
from limbeck_server.federation import Federation

_WAIT_SECONDS = 20.0  # of one pull


class MemoryTransport:
    """One client's transport to a federation in this process.

    `rounds` counts the bytes of its messages as encoded, by the round they belong to.
    """

    def __init__(self, federation: Federation) -> None:
        self.rounds: defaultdict[int, ByteCount] = defaultdict(ByteCount)
        self._federation = federation

    @property
    def carried(self) -> ByteCount:
        """The bytes of all its messages."""
        return sum(self.rounds.values(), ByteCount())

    async def join(self, client: str, digest: bytes, output_width: int) -> Invitation:
        """See `Transport`."""
        return await self._federation.membership.join(client, PROTOCOL_VERSION, digest, output_width)

    async def pull(self, member: Member, after: int, learned: int, open_rows: int) -> Answer:
        """See `Transport`."""
        self._federation.membership.check(member.federation_id, member.epoch)
        answer = await self._federation.downlinks.pull(member.client, after, _WAIT_SECONDS, learned)
        if not isinstance(answer, Downlink):
            return answer
        head, tensors = encode_downlink(answer)
        payload = Payload.of(b"".join(chunks(tensors)))
        self.rounds[answer.round] += ByteCount(down=head.ByteSize() + payload.size)
        return decode_downlink(head, payload, open_rows)

    async def push(self, uplink: Uplink) -> Receipt:
        """See `Transport`."""
        self._federation.membership.check(uplink.federation_id, uplink.epoch)
        head, tensors = encode_uplink(uplink)
        payload = Payload.of(b"".join(chunks(tensors)))
        self.rounds[uplink.round] += ByteCount(up=head.ByteSize() + payload.size)
        return await self._federation.admissions.push(decode_uplink(head, payload, self._federation.spec.open_rows))

    async def decline(self, member: Member, round_number: int) -> None:
        """See `Transport`."""
        self._federation.membership.check(member.federation_id, member.epoch)
        await self._federation.membership.decline(member.client, round_number)

    async def open_data(self, federation_id: str, offset: int) -> AsyncIterator[bytes]:
        """See `Transport`."""
        for chunk in self._federation.membership.stream(federation_id, offset):
            yield chunk
