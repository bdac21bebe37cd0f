"""A link between clients and a server that can be cut and slowed."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

_CHUNK = 1024


class Link:
    """A TCP proxy on loopback, in a thread of its own. Clients dial `address`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cut = False
        self._delay = 0.0  # seconds a chunk
        self._pairs: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server: asyncio.Server = self._do(self._listen())
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._do(self._break())

    def slow(self, delay: float) -> None:
        """Carry a kilobyte each `delay` seconds."""
        self._delay = delay

    def mend(self) -> None:
        """Carry again as fast as it goes."""
        self._cut, self._delay = False, 0.0

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _break(self) -> None:
        self._cut = True
        for writer in self._pairs:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not mine]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if self._cut:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.add(far_writer)
            self._pairs |= ends
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        except OSError:  # one side is gone: so is the other
            return
        finally:
            self._pairs -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
