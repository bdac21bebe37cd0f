"""A disk that is full, broken or damaged: it is named, nothing is kept by halves, and nothing damaged is used."""

import asyncio
import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs
from support.audits import spoil
from support.federations import SPEC
from support.finished_store import ROUNDS, run, specify, work
from support.full_disk import full_disk
from support.live_server import Served, push_messages, reason, served

from limbeck_client.transport import GrpcTransport
from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import DataError, StoreFullError, UnreachableError
from limbeck_common.core.messages import ALL, Receipt
from limbeck_common.core.spec import Output
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server import events as fact
from limbeck_server.storage.protocols import PartsKey, StoredParts

CLASSES = 50_000  # eight rows of them are more than a megabyte
LARGE = SPEC.model_copy(update={"output": Output(width=CLASSES)})


async def both_join(server: Served, classes: int = 3) -> None:
    for client in "ab":
        await server.join(client, output_width=classes)
    await server.pull("a")


def test_a_disk_that_fills_up_under_a_large_uplink_refuses_it_by_name_and_is_left_clean(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, LARGE) as server:
            await both_join(server, CLASSES)
            uplink = server.uplink("a", np.full((8, CLASSES), 1 / CLASSES, np.float32))
            good, server.store.blocks = server.store.blocks, full_disk(tmp_path / "full")
            for _ in range(50):  # where the refusal meets a chunk on its way, grpc.aio may tell of the chunk instead
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await server.push(iter(push_messages(uplink)))
                if refused.value.code() is not grpc.StatusCode.INTERNAL:
                    break
            assert reason(refused.value) == ("UNAVAILABLE", "STORE_FULL")
            assert "the server's disk is full; try again when" in str(refused.value.details())
            assert os.listdir(tmp_path / "full") == []  # noqa: PTH208 - the loop serves nobody else
            server.store.blocks = good
            assert (await server.push(iter(push_messages(uplink)))).receipt == pb.RECEIPT_ACCEPTED

    asyncio.run(main())


def test_an_uplink_is_not_taken_into_the_last_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with served(tmp_path) as server:
            await both_join(server)
            transport = GrpcTransport(server.address)
            with monkeypatch.context() as full:
                full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
                with pytest.raises(StoreFullError, match="the server's disk has 1000 bytes left") as refused:
                    await transport.push(server.uplink("a"))
                assert refused.value.again
            assert server.coordinator.state.delivered == frozenset()
            assert await transport.push(server.uplink("a")) is Receipt.ACCEPTED
            await transport.close()

    asyncio.run(main())


def test_a_store_that_breaks_is_said_in_one_line_to_whoever_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with served(tmp_path) as server:
            await both_join(server)

            def commit(*_: object) -> None:
                raise OSError(5, "Input/output error")

            monkeypatch.setattr(server.store, "commit", commit)
            transport = GrpcTransport(server.address)
            for _ in range(2):  # as it breaks, and ever after
                with pytest.raises(UnreachableError, match=r"journal cannot be written: .*Input/output error; see to"):
                    await transport.push(server.uplink("a"))
            await transport.close()

    asyncio.run(main())
    assert "Traceback" not in "".join(capfd.readouterr())


def test_nobody_sees_a_fact_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with served(tmp_path) as server:
            commit, under_way, go = server.store.commit, asyncio.Event(), threading.Event()
            loop = asyncio.get_running_loop()

            def slow(facts: Iterable[fact.Fact], blocks: Iterable[StoredParts] = ()) -> None:
                loop.call_soon_threadsafe(under_way.set)
                go.wait(10)
                commit(facts, blocks)

            events = server.coordinator.watch(0)
            await anext(events)
            monkeypatch.setattr(server.store, "commit", slow)
            joining = [asyncio.create_task(server.join(client)) for client in "ab"]
            following = asyncio.create_task(anext(events))
            await under_way.wait()
            assert not following.done()
            go.set()
            number, _ = await following
            while True:
                assert number <= len(server.store.facts())
                if number == 4:  # both have joined and the round is open
                    break
                number, _ = await anext(events)
            await asyncio.gather(*joining)

    asyncio.run(main())


@pytest.mark.parametrize("method", ["dsfl", "fedavg"])
def test_a_damaged_uplink_of_the_open_round_is_named_at_the_start_and_not_aggregated(
    tmp_path: Path, method: str
) -> None:
    spec = specify(method)
    run(tmp_path, spec, clients="ab")
    spoil(tmp_path, PartsKey(1, "b"), place=7)  # a low byte: the value stays in range
    with pytest.raises(DataError) as raised:
        run(tmp_path, spec)
    assert str(raised.value).startswith("the uplink of b for round 1 is damaged: its digest is ")
    assert raised.value.remedy == "see: limbeck-server audit"
    spoil(tmp_path, PartsKey(1, "b"), place=7)
    run(tmp_path, spec)


class Model:
    """The server's own model, which notes what it learns from."""

    def __init__(self) -> None:
        self.learned: list[int] = []

    async def learn(self, number: int, aggregate: Mapping[str, Parts]) -> dict[str, float]:
        assert set(aggregate) == {ALL}
        self.learned.append(number)
        return {}

    async def refine(self, *_: object) -> NoReturn:
        raise NotImplementedError


@pytest.mark.parametrize("number", range(1, ROUNDS))
def test_a_damaged_aggregate_is_named_and_the_servers_model_learns_no_further(tmp_path: Path, number: int) -> None:
    work(tmp_path)
    spoil(tmp_path, PartsKey(number, ALL, aggregate=True), place=7)
    model = Model()
    with capture_logs() as logs:
        work(tmp_path, server_model=model)
    (error,) = (each["error"] for each in logs if each["log_level"] == "error")
    assert error.startswith(f"the aggregate of round {number} for all is damaged: its digest is ")
    assert error.endswith("; see: limbeck-server audit")
    assert model.learned == list(range(1, number))


def test_a_damaged_last_aggregate_ends_the_start(tmp_path: Path) -> None:
    work(tmp_path)
    spoil(tmp_path, PartsKey(ROUNDS, ALL, aggregate=True), place=7)
    with pytest.raises(DataError, match=f"the aggregate of round {ROUNDS} for all is damaged: its digest is"):
        work(tmp_path, server_model=Model())
