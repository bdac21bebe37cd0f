"""A block of 64 MB goes up and comes down again, and the server's memory grows by less than three times that."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from support import wide
from support.processes import Farm

from limbeck_client.transport import GrpcTransport, Member
from limbeck_common.core.arrays.tensors import nbytes
from limbeck_common.core.blocks import soft_labels
from limbeck_common.core.errors import SizeError
from limbeck_common.core.messages import Downlink, Receipt, Uplink
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.wire.digest import parts_digest

pytestmark = pytest.mark.e2e
SETTINGS = {
    "federation.rounds": "1",
    "method.options.open_per_round": str(wide.ROWS),
    "method.options.aggregation": "sa",
    "open.source": "support.wide:data",
    "output.width": str(wide.CLASSES),
    "lobby.count.min": "1",
    "lobby.count.max": "1",
    "round.count.min": "1",
    "model.name": "none",
}


def kilobytes(process: int, what: str) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))


async def work(transport: GrpcTransport) -> tuple[np.ndarray, Uplink]:
    """Join and return 64 MB of labels, and the uplink that holds them."""
    digest = open_digest(wide.data().open)
    federation_id = (await transport.join("a", digest, wide.CLASSES)).federation_id
    downlink = await transport.pull(Member(federation_id, 1, "a"), 0, 0, wide.ROWS)
    assert isinstance(downlink, Downlink)
    assert downlink.plan is not None
    wanted = downlink.plan["labels"].rows
    values = np.random.default_rng(0).random((wide.ROWS, wide.CLASSES), np.float32)
    values /= values.sum(axis=1, keepdims=True)
    block = soft_labels(wanted, values)
    assert nbytes(block.array) == 64_000_000
    parts = {"labels": block}
    return values, Uplink(federation_id, "a", 1, parts, {}, parts_digest(parts))


async def exchange(address: str) -> tuple[np.ndarray, np.ndarray]:
    """Push 64 MB for round 1, and return what was sent and what came back as the aggregate."""
    transport = GrpcTransport(address)
    values, uplink = await work(transport)
    federation_id = uplink.federation_id
    assert await transport.push(uplink) is Receipt.ACCEPTED
    closing = await transport.pull(Member(federation_id, 1, "a"), 1, 1, wide.ROWS)
    assert isinstance(closing, Downlink)
    assert closing.aggregate is not None
    await transport.push(Uplink(federation_id, "a", 2, {}, {}, parts_digest({})))
    await transport.pull(Member(federation_id, 1, "a"), 2, 2, wide.ROWS)
    await transport.close()
    return values, np.asarray(closing.aggregate["labels"].array[:])


def test_a_refused_large_uplink_hears_why_and_not_that_its_call_broke(farm: Farm) -> None:
    """gRPC reports a message that meets the refusal on its way as a failure of its own: none may be on its way."""
    _, address = farm.server(settings=SETTINGS | {"limits.payload_bytes": "1000000"})

    async def push() -> None:
        transport = GrpcTransport(address)
        _, uplink = await work(transport)
        for _ in range(10):
            with pytest.raises(SizeError, match="a payload of 64000000 bytes; expected at most 1000000"):
                await transport.push(uplink)
        await transport.close()

    asyncio.run(push())


@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak memory is read from /proc")
def test_64_megabytes_travel_both_ways_in_little_memory(farm: Farm) -> None:
    server, address = farm.server(settings=SETTINGS)
    before = kilobytes(server.pid, "VmRSS")
    sent, received = asyncio.run(exchange(address))
    growth = 1024 * (kilobytes(server.pid, "VmHWM") - before)
    np.testing.assert_allclose(received, sent, atol=1e-7)
    assert growth < 3 * sent.nbytes
    farm.wait(server)
