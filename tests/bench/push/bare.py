"""A bare `grpc.aio` server: `python bare.py PORT_FILE [TLS_FOLDER]`. Its Push throws away what comes; its Pull waits.

What limbeck's server is compared with: the same calls, the same bytes, the same event loop, and nothing done.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import uvloop

from limbeck_server.open_files import allow_files
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.rpc.server import bind

OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.server.max_pending_requests", 20_000),  # gRPC cancels some of more than 1,000
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
]


async def push(stream: AsyncIterator[bytes], _context: Any) -> bytes:
    async for _ in stream:
        pass
    return b""


async def pull(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


async def main(address_file: Path, tls: TlsFolder | None) -> None:
    server = grpc.aio.server(options=OPTIONS)
    handlers = {
        "Push": grpc.stream_unary_rpc_method_handler(push),
        "Pull": grpc.unary_stream_rpc_method_handler(pull),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("limbeck.v1.Federation", handlers),))
    port = bind(server, "127.0.0.1:0", tls)
    await server.start()
    address_file.write_text(f"127.0.0.1:{port}")  # noqa: ASYNC240 - before anything is served
    await server.wait_for_termination()


if __name__ == "__main__":
    allow_files(10_000)
    uvloop.run(main(Path(sys.argv[1]), TlsFolder(Path(sys.argv[2])) if len(sys.argv) > 2 else None))
