"""A loopback relay that counts: what a client and the server really exchange on their sockets."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from limbeck_lab.run.clients import Bytes

_READ_BYTES = 1 << 16


@dataclass
class Meter:
    """Relays one client's connections to the server. `bytes` counts TCP payload."""

    host: str
    port: int
    bytes: Bytes = field(default_factory=Bytes)
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
        await asyncio.gather(self._pump(near, request, 1, 0), self._pump(far, answer, 0, 1))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: int, down: int) -> None:
        with contextlib.suppress(OSError):  # either side may hang up at any time; the other is told by the close
            while data := await source.read(_READ_BYTES):
                self.bytes += Bytes(up * len(data), down * len(data))
                sink.write(data)
                await sink.drain()
        sink.close()


class SinceLast:
    """Tells what went through all of the meters since it was last asked."""

    def __init__(self, meters: list[Meter]) -> None:
        self._meters = meters
        self._told = Bytes()

    def __call__(self, _round: int) -> Bytes:
        """Return it, whichever round it was for: a socket does not tell."""
        now = sum((meter.bytes for meter in self._meters), Bytes())
        since, self._told = now - self._told, now
        return since
