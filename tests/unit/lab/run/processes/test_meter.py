"""A meter relays and counts each direction."""

import asyncio

from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.run.processes.meter import Meter, SinceLast


async def double(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each message with itself, twice."""
    while data := await reader.read(100):
        writer.write(data * 2)
        await writer.drain()
    writer.close()


async def exchange(address: str, message: bytes) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(message)
    answer = await reader.readexactly(2 * len(message))
    writer.close()
    await writer.wait_closed()
    return answer


async def settle() -> None:
    """Let every connection close, so that none is left when the loop ends."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    for _ in range(5):
        await asyncio.sleep(0)


def test_bytes_are_relayed_and_counted_in_each_direction() -> None:
    async def work() -> None:
        server = await asyncio.start_server(double, "127.0.0.1", 0)
        meter = Meter("127.0.0.1", server.sockets[0].getsockname()[1])
        address = await meter.start()
        since = SinceLast([meter, Meter("127.0.0.1", 1)])
        assert await exchange(address, b"hello") == b"hellohello"
        assert meter.carried == ByteCount(up=5, down=10)
        assert since(1) == ByteCount(up=5, down=10)
        assert since(2) == ByteCount()
        assert await exchange(address, b"abc") == b"abcabc"
        assert since(3) == ByteCount(up=3, down=6)
        assert meter.carried == ByteCount(up=8, down=16)
        meter.stop()
        server.close()
        await settle()

    asyncio.run(work())


def test_a_server_that_is_gone_hangs_up() -> None:
    async def work() -> None:
        gone = await asyncio.start_server(double, "127.0.0.1", 0)
        port = gone.sockets[0].getsockname()[1]
        gone.close()
        await gone.wait_closed()
        meter = Meter("127.0.0.1", port)
        host, _, listening = (await meter.start()).rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(listening))
        assert await reader.read(-1) == b""
        writer.close()
        assert meter.carried == ByteCount()
        meter.stop()
        await settle()

    asyncio.run(work())
