"""The same damage over the wire: raw bytes to a live server in this process, which must answer every one by name."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import grpc
from fuzz.call_subjects import Operator, sealed
from fuzz.damage import frames, mutate, unframe
from fuzz.services import uplink_messages
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from support.federations import OPEN
from support.live_server import Served, served

from limbeck_common.core.errors import refusals
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.wire.calls import OPTIONS
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.settings import LimitSettings

_FEDERATION = "/limbeck.v1.Federation/"
_UNARY: dict[str, Message] = {
    f"{_FEDERATION}Join": pb.JoinRequest(
        protocol_version=1, client_name="a", open_digest=open_digest(OPEN), output_width=3
    ),
    "/limbeck.v1.Operator/Status": Operator.requests["Status"],
}
_STREAMS: dict[str, Message] = {
    f"{_FEDERATION}Pull": pb.PullRequest(federation_id="test", client_name="a"),
    f"{_FEDERATION}OpenData": pb.OpenDataRequest(federation_id="test"),
}
_SECONDS = 10.0


class WireError(AssertionError):
    """The server answered what it should not, or not at all. `call` and `sent` are what it was asked."""

    def __init__(self, what: str, call: str, sent: list[bytes]) -> None:
        super().__init__(what)
        self.call = call
        self.sent = sent


async def barrage(messages: int, random: Random) -> Counter[str]:
    """Send damaged calls to one server after another, and return what they came to.

    Raises:
        WireError: an answer that the protocol does not have, or none.
    """
    outcomes: Counter[str] = Counter()
    while (sent := outcomes.total()) < messages:
        with tempfile.TemporaryDirectory(prefix="limbeck-fuzz-") as folder:
            limits = LimitSettings(pull_seconds=0.01)
            async with (
                served(Path(folder), limits=limits) as server,
                grpc.aio.insecure_channel(server.address, options=OPTIONS) as channel,
            ):
                await asyncio.gather(server.join("a"), server.join("b"))
                for _ in range(min(250, messages - sent)):
                    outcomes[await _one(channel, random)] += 1
                await _still_well(server)
    return outcomes


async def _one(channel: grpc.aio.Channel, random: Random) -> str:
    which = random.choice([*_UNARY, *_STREAMS, "push", "push", "push"])
    if which == "push":
        which, parts = f"{_FEDERATION}Push", _damaged_push(random)
    else:
        request = _UNARY.get(which) or _STREAMS[which]
        parts = [mutate(request.SerializeToString(), (type(request),), random)]
    try:
        if which in _UNARY:
            await channel.unary_unary(which)(parts[0], timeout=_SECONDS)
        elif which in _STREAMS:
            _ = [answer async for answer in channel.unary_stream(which)(parts[0], timeout=_SECONDS)]
        else:
            await channel.stream_unary(which)(iter(parts), timeout=_SECONDS)
    except grpc.aio.AioRpcError as error:
        return _named(error, which, parts)
    return "accepted"


def _damaged_push(random: Random) -> list[bytes]:
    whole = frames(message.SerializeToString() for message in uplink_messages(random.choice("ab")))
    return unframe(sealed(mutate(whole, (pb.PushRequest, pb.PushRequest), random), random))


def _named(error: grpc.aio.AioRpcError, call: str, sent: list[bytes]) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = ErrorInfo()
            Status.FromString(value).details[0].Unpack(info)
            if info.domain == "limbeck" and refusals()[info.reason].status == error.code().name:
                return f"refused {info.reason}"
    raise WireError(f"{error.code().name}: {error.details()}", call, sent)


async def _still_well(server: Served) -> None:
    """Whatever came before: newcomers are let in, the open data is served, and no file lies about."""
    await server.join("newcomer")
    request = pb.OpenDataRequest(federation_id=server.federation_id)
    assert b"".join([part.chunk async for part in server.stub.OpenData(request)]) == OPEN.tobytes()
    assert not server.coordinator.state.phase.ended
    assert list(server.store.blocks.iterdir()) == []
