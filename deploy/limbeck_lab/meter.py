"""A loopback relay that counts: what a client and the server really exchange on their sockets."""

import asyncio
import contextlib
from dataclasses import dataclass

from limbeck_lab.recorder import Bytes

_READ_BYTES = 1 << 16


@dataclass
class Meter:
    """Relays one client's connections to the server. `up` and `down` count TCP payload bytes."""

    host: str
    port: int
    up: int = 0
    down: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on a free loopback port, and return its address."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _relay(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            far, request = await asyncio.open_connection(self.host, self.port)
        except OSError:  # the server is gone: hang up, as it would
            answer.close()
            return
        await asyncio.gather(self._pump(near, request, "up"), self._pump(far, answer, "down"))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):  # either side may hang up at any time; the other is told by the close
            while data := await source.read(_READ_BYTES):
                setattr(self, way, getattr(self, way) + len(data))
                sink.write(data)
                await sink.drain()
        sink.close()


def total(meters: list[Meter]) -> Bytes:
    """Return what all meters have counted."""
    return Bytes(sum(meter.up for meter in meters), sum(meter.down for meter in meters))
