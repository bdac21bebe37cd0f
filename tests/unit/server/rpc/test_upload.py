"""An uplink that is being judged outlives its call, and an error that nobody hears of is logged."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.federations import assembled, opened, pulled, uplink
from support.live_server import push_messages

from limbeck_common.core.blocks import Block
from limbeck_common.core.errors import ValuesError
from limbeck_common.core.messages import Receipt
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.federation import Federation
from limbeck_server.round.admission import Admission, Admissions
from limbeck_server.rpc.authentication import Authentication
from limbeck_server.rpc.upload import Uploads
from limbeck_server.settings import LimitSettings


class Call:
    """A call whose client takes whatever the server says."""

    async def send_initial_metadata(self, _: Any) -> None:
        return


async def stream(messages: list[pb.PushRequest]) -> AsyncIterator[pb.PushRequest]:
    for message in messages:
        yield message


async def push(federation: Federation, uploads: Uploads) -> Receipt:
    """Push a valid uplink of client a, as its stream brings it."""
    messages = push_messages(uplink("a", await pulled(federation, "a")))
    return (await uploads.receive(stream(messages), Call())).receipt  # type: ignore[arg-type]


async def test_a_small_uplink_counts_once_it_is_decided_though_its_client_hangs_up() -> None:
    async with assembled() as federation:
        await opened(federation)
        uploads = Uploads(federation, LimitSettings(), Authentication())
        pushing = asyncio.create_task(push(federation, uploads))
        async with asyncio.timeout(10):
            while "a" not in federation.coordinator.state.delivered:  # noqa: ASYNC110 - nothing says so sooner
                await asyncio.sleep(0)
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        await federation.coordinator.settled()
        assert [client for client, _ in federation.store.uplinks(1)] == ["a"]


async def test_a_large_uplink_is_judged_to_the_end_though_its_client_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limbeck_server.rpc.upload.INLINE_BYTES", 0)
    complete, begun, goes_on = Admissions.complete, asyncio.Event(), asyncio.Event()

    async def later(self: Admissions, admission: Admission, block: Block | None) -> Receipt:
        begun.set()
        await goes_on.wait()
        return await complete(self, admission, block)

    monkeypatch.setattr(Admissions, "complete", later)
    async with assembled() as federation:
        await opened(federation)
        uploads = Uploads(federation, LimitSettings(), Authentication())
        pushing = asyncio.create_task(push(federation, uploads))
        async with asyncio.timeout(10):
            await begun.wait()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        (judging,) = uploads.completing
        goes_on.set()
        assert await judging is Receipt.ACCEPTED
        await asyncio.sleep(0)
        assert uploads.completing == set()
        assert federation.coordinator.state.delivered == {"a"}


@pytest.mark.parametrize(
    ("error", "logged"),
    [(ZeroDivisionError("a slip"), ["an uplink could not be judged"]), (ValuesError("wrong"), []), (None, [])],
    ids=["ours", "the client's", "none"],
)
async def test_only_an_error_that_nobody_foresaw_is_logged(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, logged: list[str]
) -> None:
    monkeypatch.setattr("limbeck_server.rpc.upload.INLINE_BYTES", 0)

    async def judge(*_: object) -> Receipt:
        if error is not None:
            raise error
        return Receipt.ACCEPTED

    monkeypatch.setattr(Admissions, "complete", judge)
    async with assembled() as federation:
        await opened(federation)
        uploads = Uploads(federation, LimitSettings(), Authentication())
        with capture_logs() as logs:
            if error is None:
                assert await push(federation, uploads) is Receipt.ACCEPTED
            else:
                with pytest.raises(type(error)):
                    await push(federation, uploads)
            await asyncio.sleep(0)
        assert [log["event"] for log in logs if log["log_level"] == "error"] == logged
        assert uploads.completing == set()
