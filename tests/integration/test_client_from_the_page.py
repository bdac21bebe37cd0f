"""A client written from docs/protocol.md alone takes part: of limbeck it uses nothing but the stubs."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.federations import OPEN
from support.live_server import served

from limbeck_common.wire.v1 import block_pb2
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.round.machine import Bounds

WORD = 2**64


def ticket(seed: int, i: int) -> int:
    """Return output i of SplitMix64: "Seeded samples"."""
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def drawn(sample: block_pb2.SeededSample) -> list[int]:
    lowest = sorted(range(sample.population), key=lambda i: (ticket(sample.seed, i), i))
    return sorted(lowest[: sample.count])


def tensor(element: str, values: NDArray[Any]) -> bytes:
    """Return what a digest takes of a tensor: "Digests"."""
    return f"{element} {'x'.join(map(str, values.shape))}\n".encode() + values.tobytes()


def digest(rows: list[int], labels: NDArray[np.float32]) -> bytes:
    """Return what names a part of labels: "Digests"."""
    said = f"6 labels\nopen probabilities float32 [{labels.shape[1]}] 1\n".encode()
    return hashlib.sha256(said + tensor("<i8", np.array(rows, "<i8")) + tensor("<f4", labels)).digest()


class PageClient:
    """Takes part in a federation of soft labels by DS-FL, and declines the rounds in `declines`."""

    def __init__(self, stub: Any, name: str, declines: tuple[int, ...] = ()) -> None:
        self.stub = stub
        self.name = name
        self.declines = declines
        self.received: list[str] = []
        self.aggregates: list[NDArray[np.float32]] = []

    async def take_part(self) -> str:
        """Return the state in which the federation ended."""
        answer = await self.stub.Join(pb.JoinRequest(protocol_version=1, client_name=self.name))
        self.spec, self.whole = json.loads(answer.spec_json), {"federation_id": answer.federation_id}
        stream = self.stub.OpenData(pb.OpenDataRequest(federation_id=answer.federation_id))
        rows = b"".join([message.chunk async for message in stream])
        shape = (self.spec["open_rows"], *self.spec["sample_shape"])
        self.open = np.frombuffer(rows, self.spec["sample_dtype"]).reshape(shape)
        digest = hashlib.sha256(b"limbeck-open-v1 " + tensor(self.spec["sample_dtype"], self.open)).digest()
        assert digest == answer.open_digest
        joining = pb.JoinRequest(
            protocol_version=1, client_name=self.name, open_digest=digest, output_width=self.spec["output"]["width"]
        )
        self.whole |= {"client_name": self.name, "epoch": (await self.stub.Join(joining)).epoch}
        return await self.rounds()

    async def rounds(self) -> str:
        begun = 0
        while True:
            pull = pb.PullRequest(after_round=begun, learned_round=begun, wait_seconds=5, **self.whole)
            messages = [message async for message in self.stub.Pull(pull)]
            if messages[0].HasField("ended"):
                return str(messages[0].ended.state)
            if messages[0].HasField("idle"):
                continue
            head = messages[0].head
            begun = head.round
            payload = b"".join(message.chunk for message in messages)
            assert len(payload) == head.payload_size
            if head.HasField("aggregate"):
                (part,) = head.aggregate.parts
                labels = np.frombuffer(payload, "<f4").reshape(part.block.values[0].shape)
                assert head.aggregate.digest == digest(drawn(part.block.open_indices.sample), labels)
                self.aggregates.append(labels)
            if begun in self.declines:
                await self.stub.Decline(pb.DeclineRequest(round=begun, **self.whole))
                continue
            for _ in range(2):
                answer = await self.stub.Push(iter([self.answered(head)]))
                self.received.append(f"{begun} {pb.Receipt.Name(answer.receipt).removeprefix('RECEIPT_').lower()}")

    def answered(self, head: pb.Downlink) -> pb.PushRequest:
        uplink = pb.Uplink(round=head.round, metrics={"accuracy": 0.5}, **self.whole)
        if head.closing:
            uplink.digest = hashlib.sha256().digest()
            return pb.PushRequest(head=uplink)
        (ask,) = head.plan
        assert (ask.name, ask.kind, list(ask.row_shape)) == ("labels", block_pb2.VALUE_KIND_PROBABILITIES, [3])
        rows = drawn(ask.open_indices.sample)
        labels = np.zeros((len(rows), self.spec["output"]["width"]), "<f4")
        labels[:, head.round % self.spec["output"]["width"]] = 1
        block = uplink.parts.add(name=ask.name).block
        block.open_indices.CopyFrom(ask.open_indices)
        block.kind, block.weight = ask.kind, 1
        block.encoding.CopyFrom(ask.encodings[0])
        block.row_shape.extend(ask.row_shape)
        block.values.add(element_type=block_pb2.ELEMENT_TYPE_FLOAT32, shape=labels.shape)
        uplink.payload_size = labels.nbytes
        uplink.digest = digest(rows, labels)
        return pb.PushRequest(head=uplink, chunk=labels.tobytes())


async def test_two_clients_from_the_page_go_through_a_federation(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        clients = [PageClient(server.stub, name) for name in "ab"]
        assert await asyncio.gather(*(client.take_part() for client in clients)) == ["finished"] * 2
        for client in clients:
            assert client.received == [f"{number} {said}" for number in (1, 2, 3) for said in ("accepted", "duplicate")]
            assert [labels.argmax(axis=1).tolist() for labels in client.aggregates] == [[1] * 8, [2] * 8]
            assert np.array_equal(client.open, OPEN)


async def test_a_round_that_a_client_from_the_page_declines_goes_on_without_it(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        server.coordinator.machine = replace(server.coordinator.machine, round=Bounds(1, 2, 0, 60))
        clients = [PageClient(server.stub, "a"), PageClient(server.stub, "b", declines=(2,))]
        assert await asyncio.gather(*(client.take_part() for client in clients)) == ["finished"] * 2
        assert clients[1].received == ["1 accepted", "1 duplicate", "3 accepted", "3 duplicate"]
        assert len(clients[1].aggregates) == 2
