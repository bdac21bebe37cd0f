"""The transport of a simulation sends what the wire would, and counts it."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from support.federations import SPEC
from support.method_rounds import plan_of

from limbeck_client.transport import Member
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import FederationError
from limbeck_common.core.messages import Answer, Downlink, Idle, Receipt, Uplink
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.wire.codec import encode_downlink, encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.run.simulated.memory_transport import MemoryTransport

ROWS = Rows(np.array([1, 4]))
A = Member("this", 2, "a")
IDLE = Idle("collecting", 3)
LABELS = {"labels": soft_labels(ROWS, np.array([[0.25, 0.75], [0.5, 0.5]], np.float32))}


class Membership:
    def __init__(self) -> None:
        self.declined: list[tuple[str, int]] = []

    def check(self, federation_id: str, epoch: int) -> None:
        if (federation_id, epoch) != ("this", 2):
            raise FederationError(federation_id)

    async def decline(self, client: str, round_number: int) -> None:
        self.declined.append((client, round_number))


class Server:
    """Answers every pull with `answer`, and keeps what is pushed."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.pushed: list[Uplink] = []
        self.membership = Membership()

    async def pull(self, _client: str, _after: int, _wait: float, _learned: int) -> Answer:
        return self.answer

    async def push(self, uplink: Uplink) -> Receipt:
        self.pushed.append(uplink)
        return Receipt.ACCEPTED


def transport(answer: Answer) -> tuple[MemoryTransport, Server]:
    server = Server(answer)
    spec = SimpleNamespace(open_rows=10)
    federation = SimpleNamespace(spec=spec, membership=server.membership, downlinks=server, admissions=server)
    return MemoryTransport(federation), server  # type: ignore[arg-type]


def test_a_downlink_is_decoded_anew_and_counted_by_its_round() -> None:
    sent = Downlink("this", 3, LABELS, plan_of(DSFL(), SPEC, ROWS))
    made, _ = transport(sent)
    received = asyncio.run(made.pull(A, 2, 2, 10))
    assert isinstance(received, Downlink)
    assert received is not sent
    assert received.round == 3
    assert received.aggregate is not None
    assert np.array_equal(received.aggregate["labels"].values[0], LABELS["labels"].values[0])
    head, tensors = encode_downlink(sent)
    count = ByteCount(down=head.ByteSize() + sum(len(bytes(np.asarray(each))) for each in tensors))
    assert made.rounds == {3: count}
    assert made.carried == count
    asyncio.run(made.pull(A, 2, 2, 10))
    assert made.carried.down == 2 * count.down


def test_an_uplink_is_counted_by_its_round_and_arrives_whole() -> None:
    made, server = transport(IDLE)
    uplink = Uplink("this", "a", 3, LABELS, {"accuracy": 0.5}, parts_digest(LABELS), epoch=2)
    assert asyncio.run(made.push(uplink)) is Receipt.ACCEPTED
    (received,) = server.pushed
    assert received.client == "a"
    assert received.metrics == {"accuracy": 0.5}
    assert np.array_equal(received.parts["labels"].values[0], LABELS["labels"].values[0])
    head, _ = encode_uplink(uplink)
    assert made.rounds[3].up == head.ByteSize() + LABELS["labels"].array.nbytes
    assert made.rounds[3].down == 0


def test_waiting_costs_nothing() -> None:
    made, _ = transport(IDLE)
    assert asyncio.run(made.pull(A, 2, 2, 10)) == IDLE
    assert made.carried == ByteCount()


def test_messages_for_another_federation_are_refused() -> None:
    made, server = transport(IDLE)
    foreign = Member("another", 2, "a")
    with pytest.raises(FederationError):
        asyncio.run(made.decline(foreign, 3))
    with pytest.raises(FederationError):
        asyncio.run(made.pull(foreign, 2, 2, 10))
    with pytest.raises(FederationError):
        asyncio.run(made.push(Uplink("another", "a", 3, epoch=2)))
    assert server.pushed == []


def test_a_client_declines_a_round_by_its_name() -> None:
    made, server = transport(IDLE)
    asyncio.run(made.decline(A, 3))
    assert server.membership.declined == [("a", 3)]
    assert made.carried == ByteCount()
