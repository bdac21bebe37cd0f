"""`limbeck.serve`: a server inside your own process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from limbeck_common.support.logs import set_up_unset_logs
from limbeck_server.daemon import RunningServer, running
from limbeck_server.settings import load
from limbeck_server.settings.flags import as_pairs


@asynccontextmanager
async def serve(settings: Mapping[str, Any] | None = None, config: Path | None = None) -> AsyncIterator[RunningServer]:
    """Run a server inside this process until the end of the block, which stops it as a signal would.

    `settings` are by dotted key; they override those of the TOML file `config`. `await server.ended()` waits for the
    federation's end. The server and its clients may share a process: see examples/embedded.py.

    >>> import asyncio
    >>> import tempfile
    >>> settings = {"listen.port": 0, "store.path": tempfile.mkdtemp(), "data.open": 50, "model.name": "none"}
    >>> async def start() -> bool:
    ...     async with serve(settings) as server:
    ...         return server.address.startswith("127.0.0.1:")
    >>> asyncio.run(start())
    True

    Raises:
        LimbeckError: it cannot start, or cannot go on.
    """
    set_up_unset_logs("info")
    flags = {key: text for name, value in (settings or {}).items() for key, text in as_pairs({name: value}).items()}
    async with running(load(config, flags)) as server:
        yield server
