"""The other end of a worker: start one, send orders, wait for answers."""

import asyncio
import json
import sys
from typing import Any

from limbeck_common.core.errors import UserCodeError

_LINE_LIMIT = 1 << 24


class WorkerProcess:
    """One worker process. Orders are carried out one at a time, in the order in which they were given."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def order(self, fields: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Have the worker carry out an order, and return its answer; the worker starts with the first one.

        Raises:
            UserCodeError: the order failed, or the worker died.
        """
        async with self._turn:
            process = self._process = self._process or await _start()
            try:
                if process.stdin is None or process.stdout is None:
                    raise RuntimeError("a worker always has pipes")
                process.stdin.write(json.dumps(fields | {"size": len(body)}).encode() + b"\n" + body)
                await process.stdin.drain()
                answer = json.loads(await process.stdout.readuntil(b"\n"))
                result = await process.stdout.readexactly(answer["size"])
            except (asyncio.IncompleteReadError, ConnectionError, RuntimeError) as error:  # uvloop: a closed handler
                code = await process.wait()
                raise UserCodeError(
                    f"the worker that trains {fields['participant']} died with exit status {code}",
                    remedy="its last words stand above; out of memory is the usual cause",
                ) from error
        if "error" in answer:
            raise UserCodeError(answer["error"])
        return answer, result

    async def close(self) -> None:
        """End the worker, whatever it is doing."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.kill()
        await self._process.wait()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "limbeck_common.runtime.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
        start_new_session=True,  # Ctrl-C is for its owner, which ends it in its own time
    )
