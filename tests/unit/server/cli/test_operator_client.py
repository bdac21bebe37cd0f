"""The operator's calls, against a daemon that only writes down what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from limbeck_common.core.errors import RefusalError, UnreachableError
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_server.cli import operator_client
from limbeck_server.cli.operator_client import Daemon


@dataclass
class Recording:
    """Answers every call, and keeps the requests. Its watch shows events up to `events`, then ends or `stalls`."""

    asked: list[Any] = field(default_factory=list)
    events: int = 0
    stalls: bool = False
    federation: str = "f"
    epoch: int = 1

    def handler(self) -> grpc.GenericRpcHandler:
        calls = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answer(getattr(pb, f"{name}Response")), getattr(pb, f"{name}Request").FromString, serialize
            )
            for name in ("Pause", "Resume", "CloseRound", "Stop", "Evict")
        }
        calls["Status"] = grpc.unary_unary_rpc_method_handler(self._status, pb.StatusRequest.FromString, serialize)
        calls["Watch"] = grpc.unary_stream_rpc_method_handler(self._watch, pb.WatchRequest.FromString, serialize)
        return grpc.method_handlers_generic_handler("limbeck.v1.Operator", calls)

    def _answer(self, kind: type[Any]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, _: Any) -> Any:
            self.asked.append(request)
            return kind()

        return answer

    async def _status(self, *_: Any) -> pb.StatusResponse:
        return pb.StatusResponse(federation_id=self.federation, epoch=self.epoch)

    async def _watch(self, request: pb.WatchRequest, _: Any) -> AsyncIterator[pb.WatchResponse]:
        self.asked.append(request)
        for number in range(request.after_event + 1, self.events + 1):
            yield pb.WatchResponse(number=number)
        if self.stalls:
            await asyncio.sleep(60)


def serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


async def start(handler: grpc.GenericRpcHandler, port: int = 0) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([handler])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server, bound


def served(handler: grpc.GenericRpcHandler, work: Callable[[Daemon], Awaitable[None]]) -> None:
    async def run() -> None:
        server, port = await start(handler)
        try:
            await work(Daemon(f"127.0.0.1:{port}", None))
        finally:
            await server.stop(None)

    asyncio.run(run())


@pytest.mark.parametrize(
    "order",
    [
        pb.PauseRequest(),
        pb.ResumeRequest(),
        pb.CloseRoundRequest(),
        pb.StopRequest(reason="enough seen"),
        pb.EvictRequest(client_name="a"),
    ],
)
def test_an_order_reaches_the_daemon_as_it_was_given(order: Message) -> None:
    service = Recording()
    served(service.handler(), lambda daemon: daemon.send(order))
    assert service.asked == [order]


def test_an_order_that_the_daemon_does_not_know_is_refused() -> None:
    with pytest.raises(RefusalError, match="UNIMPLEMENTED"):
        served(
            grpc.method_handlers_generic_handler("limbeck.v1.Operator", {}),
            lambda daemon: daemon.send(pb.CloseRoundRequest()),
        )


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_client, "_RETRY_SECONDS", 0.01)


def watch_over_a_restart(before: Recording, after: Recording) -> tuple[list[int], list[str]]:
    """Return the events and warnings that are shown while one daemon gives way to another on the same port."""

    async def run() -> tuple[list[int], list[str]]:
        shown: list[int] = []
        warned: list[str] = []
        all_shown, lost = asyncio.Event(), asyncio.Event()

        def warn(sentence: str) -> None:
            warned.append(sentence)
            lost.set()

        def show(event: pb.WatchResponse) -> None:
            shown.append(event.number)
            if event.number == before.events:
                all_shown.set()

        server, port = await start(before.handler())
        watching = asyncio.create_task(Daemon(f"127.0.0.1:{port}", None).watch(0, 30, show=show, warn=warn))
        await all_shown.wait()
        await server.stop(None)
        await lost.wait()
        server, _ = await start(after.handler(), port)
        await watching
        await server.stop(None)
        return shown, warned

    return asyncio.run(run())


@pytest.mark.usefixtures("hurried")
def test_watch_goes_on_after_the_last_event_when_the_daemon_restarts() -> None:
    after = Recording(events=5)
    shown, warned = watch_over_a_restart(Recording(events=3, stalls=True), after)
    assert shown == [1, 2, 3, 4, 5]
    assert after.asked == [pb.WatchRequest(after_event=3)]
    assert warned[0].startswith("no answer from 127.0.0.1:")
    assert warned[0].endswith("; trying again for 30 s")
    assert warned[1].endswith(" answers again")
    assert len(warned) == 2


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("other", [{"federation": "g"}, {"epoch": 2}])
def test_watch_starts_over_where_another_federation_or_a_restored_store_answers(other: dict[str, Any]) -> None:
    shown, warned = watch_over_a_restart(Recording(events=3, stalls=True), Recording(events=2, **other))
    assert shown == [1, 2, 3, 1, 2]
    assert warned[2].startswith("it runs another federation, or its store was restored")


@pytest.mark.usefixtures("hurried")
def test_watch_gives_up_when_its_patience_ends() -> None:
    warned: list[str] = []
    with pytest.raises(UnreachableError, match=r"no answer from 127\.0\.0\.1:9"):
        asyncio.run(Daemon("127.0.0.1:9", None).watch(0, 0.1, show=print, warn=warned.append))
    assert len(warned) == 1
