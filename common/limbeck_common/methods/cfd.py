"""CFD: federated distillation with quantised soft labels, delta coding and dual distillation.

F. Sattler, A. Marban, R. Rischke, W. Samek, "CFD: Communication-Efficient Federated Distillation via Soft-Label
Quantization and Delta Coding", IEEE Transactions on Network Science and Engineering, 2022 (arXiv 2012.00632). Clients
send Q_b(Y_i), labels in steps of 1 / (2^b - 1) that still sum to 1; at b = 1 that is the likeliest class. The server
distils their mean into its own model and sends the quantised labels of that model. Both ways, on the same open rows in
every round, only what has changed is sent.

Departures: an uplink is coded against the last aggregate, not against the client's own last uplink, so the server keeps
no codes per client, and a restart or an absence breaks no chain. Changes are sent by whole rows: a row of zeros, which
is not a code, stands for an unchanged one. Deflate packs the rest, in place of an arithmetic coder.
"""

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.errors import ValuesError
from limbeck_common.core.messages import SERVER, Aggregate, Ask, Block, Kind, Rows, Space, soft_labels
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import open_rows
from limbeck_common.methods.method import Method, ServerContext, ServerRound, Uplinks

Codes = NDArray[np.uint8]  # [rows, bytes per row]
Bits = Annotated[int, Field(ge=1, le=8)]

_SAME_ROWS = 0  # the round whose sample all rounds use
_BYTE = 256


class CFD(Method):
    """Quantised labels of the same open rows each round. Clients learn from the labels of the server's model."""

    refines: ClassVar[bool] = True
    sends: ClassVar[Kind | None] = Kind.CODES
    bits_up: Annotated[
        Bits, Field(description="Bits per label that clients send; 1 sends only the likeliest class.")
    ] = 1
    bits_down: Annotated[
        Bits, Field(description="Bits per label that the server sends; 1 sends only the likeliest class.")
    ] = 1
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round, the same in every round.")] = 1000

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: ask for codes of always the same open rows."""
        rows = open_rows(context, _SAME_ROWS, self.open_per_round)
        width = code_bytes(context.spec.output.width, self.bits_up)
        return Ask(Space.OPEN, Kind.CODES, rows, dtype="|u1", columns=width)

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train, predict, and send Q_b of the labels where it differs from the last aggregate."""
        participant.fit()
        codes = encode(participant.predict(wanted), self.bits_up)
        reference = self._reference(participant.memory.get("codes"), participant.spec.output.width)
        return Block(Space.OPEN, wanted, Kind.CODES, (changes(codes, reference),))

    def server_decode(self, context: ServerContext, number: int, block: Block) -> Block:
        """Server: return the labels that a client's codes stand for."""
        classes, last = context.spec.output.width, context.aggregate(number - 1)
        reference = self._reference(None if last is None else np.asarray(last.predictions[:]), classes)
        codes = applied(np.asarray(block.predictions[:]), reference)
        return replace(block, kind=Kind.PROBABILITIES, values=(decode(codes, self.bits_up, classes),))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: average the labels, shape [open_per_round, classes]."""
        labels = (mean.astype(np.float32) for mean in server.tally.means())
        return Aggregate.to_all(soft_labels(server.ask.wanted, server.collect(labels)))

    def server_refine(self, participant: Participant, uplinks: Uplinks, aggregate: Aggregate, number: int) -> Aggregate:
        """Server's model: learn from the averages, and send its own quantised labels to the clients."""
        means = aggregate.blocks[""]
        participant.distill(means)
        participant.memory["ahead"] = np.ones(1, np.bool_)
        labels = participant.predict_on(participant.open_rows[means.rows])
        return Aggregate({"": _coded(means, encode(labels, self.bits_down)), SERVER: means})

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:
        """Server: return the last round's codes; only the changed rows to a client that knows the codes before."""
        last, before = context.aggregate(number - 1, group), context.aggregate(number - 2, group)
        if last is None or before is None or learned < number - 1:
            return last
        return _coded(last, changes(np.asarray(last.predictions[:]), np.asarray(before.predictions[:])))

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client: train towards the server model's labels. Server's model: towards the averages, unless it just did."""
        if aggregate.kind is Kind.PROBABILITIES:
            if participant.memory.pop("ahead", None) is None:
                participant.distill(aggregate)
            return
        codes = applied(np.asarray(aggregate.predictions[:]), participant.memory.get("codes"))
        labels = decode(codes, self.bits_down, participant.spec.output.width)
        participant.memory["codes"] = codes
        participant.distill_on(participant.open_rows[aggregate.rows], labels)

    def _reference(self, codes: Codes | None, classes: int) -> Codes | None:
        """Return the codes of an aggregate in the form in which clients would have sent them."""
        if codes is None or self.bits_up == self.bits_down:
            return codes
        return encode(decode(codes, self.bits_down, classes), self.bits_up)


def quantised(labels: NDArray[np.float32], bits: int) -> NDArray[np.int64]:
    """Return Q_b(labels) as multiples of 1 / (2^b - 1) that sum to 2^b - 1 in each row, shape [rows, classes].

    They are the nearest such multiples: each label is rounded down, and what is missing goes to the largest remainders,
    of equal ones to the first class.

    >>> quantised(np.array([[0.6, 0.3, 0.1]], np.float32), bits=2)
    array([[2, 1, 0]])
    """
    steps = 2**bits - 1
    scaled = labels.astype(np.float64) * (steps / labels.sum(axis=1, keepdims=True, dtype=np.float64))
    down = np.floor(scaled)
    lacking = steps - down.sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(down - scaled, axis=1, kind="stable"), axis=1)
    whole: NDArray[np.int64] = (down + (rank < lacking)).astype(np.int64)
    return whole


def code_bytes(classes: int, bits: int) -> int:
    """Return the bytes of a row's code: one per class, or for b = 1 those of the class's number, counted from 1.

    >>> code_bytes(10, bits=4), code_bytes(10, bits=1), code_bytes(1000, bits=1)
    (10, 1, 2)
    """
    return classes if bits > 1 else (classes.bit_length() + 7) // 8


def encode(labels: NDArray[np.float32], bits: int) -> Codes:
    """Return labels, shape [rows, classes], as codes. No row of codes is all zeros.

    >>> encode(np.array([[0.5, 0.3, 0.2]], np.float32), bits=1)
    array([[1]], dtype=uint8)
    """
    steps = quantised(labels, bits)
    if bits > 1:
        return steps.astype(np.uint8)
    number = steps.argmax(axis=1) + 1
    places = range(code_bytes(labels.shape[1], bits))
    return np.stack([number // _BYTE**place % _BYTE for place in places], axis=1).astype(np.uint8)


def decode(codes: Codes, bits: int, classes: int) -> NDArray[np.float32]:
    """Return the labels that codes stand for, shape [rows, classes].

    Raises:
        ValuesError: a row is not a code.
    """
    whole = codes.astype(np.int64)
    if bits == 1:
        number = whole @ _BYTE ** np.arange(codes.shape[1])
        good = (number >= 1) & (number <= classes)
        labels = np.arange(1, classes + 1) == number[:, None]
    else:
        good = whole.sum(axis=1) == 2**bits - 1
        labels = whole / (2**bits - 1)
    if not good.all():
        raise ValuesError(
            f"row {int(np.argmin(good))} of the block is not a code of {bits} bits and {classes} classes",
            expected="quantised labels, or zeros for a row that is as in the last aggregate",
            remedy="check that both sides run the same version",
        )
    return np.asarray(labels, np.float32)


def changes(codes: Codes, reference: Codes | None) -> Codes:
    """Return the codes with zeros in the rows that are the same in `reference`.

    >>> changes(np.uint8([[1, 2], [3, 4]]), np.uint8([[1, 2], [4, 3]]))
    array([[0, 0],
           [3, 4]], dtype=uint8)
    """
    if reference is None:
        return codes
    return np.where((codes != reference).any(axis=1, keepdims=True), codes, np.uint8(0))


def applied(codes: Codes, reference: Codes | None) -> Codes:
    """Return the codes whose `changes` from `reference` these are."""
    if reference is None or reference.shape != codes.shape:
        return codes
    return np.where(codes.any(axis=1, keepdims=True), codes, reference)


def _coded(block: Block, codes: Codes) -> Block:
    return replace(block, kind=Kind.CODES, values=(codes,))
