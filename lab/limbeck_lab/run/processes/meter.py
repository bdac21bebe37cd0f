"""A loopback relay that counts the bytes a client and the server exchange on their sockets."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from limbeck_lab.results.byte_count import ByteCount

_READ_BYTES = 1 << 16


@dataclass
class Meter:
    """Relays one client's connections to the server at `host`:`port`. `carried` counts TCP payload."""

    host: str
    port: int
    carried: ByteCount = field(default_factory=ByteCount)
    _server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on a free loopback port, and return its address."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        """Stop listening. Connections that are open stay open until either side closes them."""
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
        with contextlib.suppress(OSError):  # either side may hang up at any time; closing the sink tells the other
            while data := await source.read(_READ_BYTES):
                self.carried += ByteCount(up * len(data), down * len(data))
                sink.write(data)
                await sink.drain()
        sink.close()


class SinceLast:
    """Counts the bytes that passed all of the meters since it was last called."""

    def __init__(self, meters: list[Meter]) -> None:
        self._meters = meters
        self._before = ByteCount()

    def __call__(self, _round: int) -> ByteCount:
        """Return the bytes, whichever round they belong to: a socket does not know."""
        now = sum((meter.carried for meter in self._meters), ByteCount())
        since, self._before = now - self._before, now
        return since
