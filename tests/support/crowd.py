"""Many clients in one process: `python -m support.crowd ADDRESS FIRST COUNT FOLDER`.

Each has its own agent, connection, state folder and release log. The process ends with 0 once all of them have seen
the federation's end.
"""

import asyncio
import sys
from pathlib import Path

from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.runner import Runner
from limbeck_client.runtime import InProcessRuntime, data_loader
from limbeck_client.transport import GrpcTransport
from limbeck_common.support.cli import run_async
from limbeck_common.support.logs import set_up_logs
from limbeck_common.wire import calls


async def take_part(address: str, number: int, folder: Path) -> None:
    name = f"client-{number:03}"
    guard = ReleaseGuard.of(folder / name, Policy())
    runtime = InProcessRuntime(
        name, "support.tiny:learner", "cpu", data_loader("support.tiny:data", number, None), guard
    )
    transport = GrpcTransport(address)
    await Runner(name, transport, runtime).run()
    await transport.close()


async def main(address: str, first: int, count: int, folder: Path) -> None:
    await asyncio.gather(*(take_part(address, number, folder) for number in range(first, first + count)))


if __name__ == "__main__":
    calls.OPTIONS.append(("grpc.use_local_subchannel_pool", 1))  # or all would share one connection
    set_up_logs("info", "json")
    run_async(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
