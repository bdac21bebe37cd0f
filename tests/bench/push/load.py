"""Raw clients in one process: `python load.py ADDRESS PID CLIENTS ROUNDS [--bare] [--tls FOLDER]`.

Each has its own connection, and pushes 1,000 x 10 soft labels per round that were encoded beforehand. The CPU time of
process PID is read when all have their round, and again when all but the last have their receipts; then the last one
pushes, which closes the round. Prints one JSON object.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import uvloop

from limbeck_common.core.blocks import soft_labels
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.codec import encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import chunks
from limbeck_common.wire.plans import decode_plan
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.open_files import allow_files

ROWS, CLASSES, OPEN_ROWS = 1000, 10, 10_000
DIGEST = "ab" * 32
SERVICE = "/limbeck.v1.Federation/"
AT_ONCE = 200  # connections being made
MOST_PUSHES = 1000  # at a time: this process must keep up, too


@dataclass
class Crowd:
    """All clients, by number, and the process that they keep busy."""

    channels: list[Any]
    server: psutil.Process
    federation: str = ""
    push_seconds: float = 0.0  # of the server's CPU
    wall_seconds: float = 0.0
    pushes: int = 0
    pushing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_PUSHES))
    labels: Any = field(default_factory=lambda: np.random.default_rng(0).dirichlet(np.ones(CLASSES), ROWS))

    def cpu(self) -> float:
        """Return the server's CPU seconds so far, to the nanosecond."""
        tasks = Path(f"/proc/{self.server.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in tasks) / 1e9

    def memory(self) -> int:
        return int(self.server.memory_info().rss)

    async def connect(self) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def ready(channel: Any) -> None:
            async with limit:
                await channel.channel_ready()

        await asyncio.gather(*map(ready, self.channels))

    async def join(self) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def enter(number: int) -> bytes:
            request = pb.JoinRequest(
                protocol_version=1, client_name=name(number), open_digest=bytes.fromhex(DIGEST), output_width=CLASSES
            )
            async with limit:
                answer: bytes = await self.channels[number].unary_unary(SERVICE + "Join")(request.SerializeToString())
            return answer

        answers = await asyncio.gather(*map(enter, range(len(self.channels))))
        self.federation = pb.JoinResponse.FromString(answers[0]).federation_id

    async def pull(self, number: int, after: int) -> bytes:
        """Return the first message of the next round's answer, however often the server says that it is idle."""
        request = pb.PullRequest(
            federation_id=self.federation,
            client_name=name(number),
            after_round=after,
            wait_seconds=600,
            learned_round=after,
        )
        while True:
            first = b""
            async for message in self.channels[number].unary_stream(SERVICE + "Pull")(request.SerializeToString()):
                first = first or message
            if not pb.PullResponse.FromString(first).HasField("idle"):
                return first

    def uplinks(self, head: pb.Downlink) -> list[bytes]:
        """Return each client's push for a round, as one message."""
        rows = decode_plan(head.plan, OPEN_ROWS, CLASSES)["labels"].rows
        parts = {"labels": soft_labels(rows, self.labels.astype(np.float32))}
        digest = parts_digest(parts)
        made = []
        for number in range(len(self.channels)):
            uplink = Uplink(self.federation, name(number), head.round, parts, {"accuracy": 0.5}, digest, 1)
            message, tensors = encode_uplink(uplink)
            made.append(pb.PushRequest(head=message, chunk=b"".join(chunks(tensors))).SerializeToString())
        return made

    async def push(self, number: int, message: bytes) -> bytes:
        async with self.pushing:
            answer: bytes = await self.channels[number].stream_unary(SERVICE + "Push")(iter([message]))
        return answer

    async def push_all(self, messages: list[bytes], *, bare: bool) -> None:
        """Push all; count what all but the last cost the server."""
        *most, last = range(len(messages))
        busy, began = self.cpu(), time.monotonic()
        answers = await asyncio.gather(*(self.push(number, messages[number]) for number in most))
        self.push_seconds += self.cpu() - busy
        self.wall_seconds += time.monotonic() - began
        self.pushes += len(most)
        if not bare and any(pb.PushResponse.FromString(each).receipt != pb.RECEIPT_ACCEPTED for each in answers):
            raise SystemExit("an uplink was not accepted")
        await self.push(last, messages[last])


def name(number: int) -> str:
    return f"client-{number:05}"


def channel(address: str, number: int, tls: Path | None) -> Any:
    options = [("grpc.use_local_subchannel_pool", 1)]
    if tls is None:
        return grpc.aio.insecure_channel(address, options)
    key, certificate, roots = (
        (tls / name(number) / each).read_bytes() for each in ("key.pem", "certificate.pem", "ca.pem")
    )
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots, key, certificate), options)


async def main(options: argparse.Namespace) -> dict[str, float]:
    channels = [channel(options.address, number, options.tls) for number in range(options.clients)]
    crowd = Crowd(channels, psutil.Process(options.pid))
    before = crowd.memory()
    await crowd.connect()
    if not options.bare:
        await crowd.join()
    waiting = [asyncio.ensure_future(crowd.pull(number, 0)) for number in range(options.clients - 1)]
    await asyncio.sleep(2)  # all wait: the lobby needs the last one
    held = crowd.memory() - before
    whole, began = crowd.cpu(), time.monotonic()
    if options.bare:
        messages = bare_messages(crowd)
        for _ in range(options.rounds):
            await crowd.push_all(messages, bare=True)
        for each in waiting:
            each.cancel()
    else:
        for number in range(1, options.rounds + 1):
            waiting += [
                asyncio.ensure_future(crowd.pull(client, number - 1)) for client in range(len(waiting), options.clients)
            ]
            first = await asyncio.gather(*waiting)
            waiting = []
            head = pb.PullResponse.FromString(first[0]).head
            await crowd.push_all(crowd.uplinks(head), bare=False)
    return {
        "push_ms": 1e3 * crowd.push_seconds / crowd.pushes,
        "round_ms": 1e3 * (crowd.cpu() - whole) / (options.clients * options.rounds),
        "per_second": crowd.pushes / crowd.wall_seconds,
        "round_seconds": (time.monotonic() - began) / options.rounds,
        "waiting_kb": held / options.clients / 1024,
    }


def bare_messages(crowd: Crowd) -> list[bytes]:
    """Return messages of the size that a federation's have."""
    return [pb.PushRequest(chunk=bytes(4 * ROWS * CLASSES + 120)).SerializeToString()] * len(crowd.channels)


if __name__ == "__main__":
    allow_files(10_000)
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("pid", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--tls", type=Path)
    print(json.dumps(uvloop.run(main(parser.parse_args()))))
