"""CFD: federated distillation with quantised soft labels, delta coding and dual distillation.

F. Sattler, A. Marban, R. Rischke, W. Samek, "CFD: Communication-Efficient Federated Distillation via Soft-Label
Quantization and Delta Coding", IEEE Transactions on Network Science and Engineering, 2022 (arXiv 2012.00632). Clients
send Q_b(Y_i), labels in steps of 1 / (2^b - 1) that still sum to 1; at b = 1 that is the likeliest class. The server
distils their mean into its own model and sends the quantised labels of that model. Both ways, on the same open rows in
every round, only what has changed is sent.

Departures: an uplink is coded against the last aggregate, not against the client's own last uplink, so the server keeps
nothing per client, and a restart or an absence breaks no chain. Changes are sent by whole rows: rows that stay as they
were are left out. Deflate packs the rest, in place of an arithmetic coder. Clients keep their model between rounds; the
authors' start each round from a new one, distilled from the quantised labels.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.arrays.encodings import Encoding, OneClass, Quantised
from limbeck_common.core.blocks import Block, Parts, Rows
from limbeck_common.core.errors import KeysError
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import ALL, SERVER, Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import PastRounds, Recipient, Refinement, ServerRound, open_sample

Bits = Annotated[int, Field(ge=1, le=8)]

_SAME_ROWS = 0  # the round whose sample all rounds use


class CFD(Method):
    """Quantised labels of the same open rows each round. Clients learn from the labels of the server's model."""

    bits_up: Annotated[
        Bits, Field(description="Bits per label that clients send; 1 sends only the likeliest class.")
    ] = 1
    bits_down: Annotated[
        Bits, Field(description="Bits per label that the server sends; 1 sends only the likeliest class.")
    ] = 1
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round, the same in every round.")] = 1000

    def forms(self, spec: Spec) -> Forms:
        """Both: quantised labels of open rows, those that have changed; for the server's model, their means."""
        up = Form.labels(spec.output, quantised(self.bits_up), partial=True)
        down = Form.labels(spec.output, quantised(self.bits_down), partial=True)
        return Forms(up={"labels": up}, down={"labels": down, "means": Form.labels(spec.output)})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for labels of always the same open rows."""
        return {"labels": self.rows(server.spec)}

    def client_receive(self, client: ClientRound) -> None:
        """Client: train towards the server model's labels. Server's model: towards the means, unless it just did."""
        if "means" in client.aggregate:
            if client.memory.pop("ahead", None) is None:
                client.distill(client.aggregate["means"])
            return
        labels = filled(client.aggregate["labels"], self.rows(client.spec), client.memory.get("labels"))
        client.memory["labels"] = np.asarray(labels.array[:], np.float32)
        client.distill(labels)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train, predict, and send Q_b of the labels where it differs from the last aggregate."""
        client.fit()
        return {"labels": changes(client.predict("labels"), client.memory.get("labels"), quantised(self.bits_up))}

    def server_decode(self, server: ServerRound, parts: Parts) -> Parts:
        """Server: return the labels of all rows, those of the last aggregate where a client has sent none."""
        last = server.aggregate(server.number - 1)
        known = None if last is None else np.asarray(last["labels"].array[:], np.float32)
        return {"labels": filled(parts["labels"], server.rows("labels"), known, quantised(self.bits_up))}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average the labels, shape [open_per_round, classes]."""
        return Aggregate({SERVER: {"means": server.block("means", server.means("labels"), server.rows("labels"))}})

    def server_refine(self, server: Refinement) -> Aggregate | Parts:
        """Server's model: learn from the averages, and send its own quantised labels to the clients."""
        participant, means = server.participant, server.aggregate.blocks[SERVER]["means"]
        x = participant.open_view(means.rows)
        participant.distill_on(x, np.asarray(means.array[:], np.float32))
        participant.memory["ahead"] = np.ones(1, np.bool_)
        labels = self.forms(server.spec).down["labels"].block(participant.predict_on(x), self.rows(server.spec))
        return Aggregate({ALL: {"labels": labels}, SERVER: {"means": means}})

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        """Server: return the last round's labels; only the changed ones to a client that knows those before."""
        last, before = server.aggregate(client.round - 1), server.aggregate(client.round - 2)
        if last is None or before is None or client.learned < client.round - 1:
            return last
        known = np.asarray(before["labels"].array[:], np.float32)
        return {"labels": changes(last["labels"], known, quantised(self.bits_down))}

    def rows(self, spec: Spec) -> Rows:
        """Return the open rows of every round."""
        return open_sample(spec, _SAME_ROWS, self.open_per_round)


def quantised(bits: int) -> Encoding:
    """Return Q_b: the likeliest class for b = 1, else labels in steps of 1 / (2^b - 1)."""
    return OneClass() if bits == 1 else Quantised(bits)


def changes(block: Block, known: NDArray[np.float32] | None, encoding: Encoding) -> Block:
    """Return a block of labels of all rows without the rows that are the same in `known`, [rows, classes], as encoded.

    >>> from limbeck_common.core.blocks import soft_labels
    >>> labels = soft_labels(Rows(np.array([4, 7])), np.float32([[1, 0], [0, 1]]))
    >>> changes(labels, np.float32([[0.9, 0.1], [0.8, 0.2]]), OneClass()).rows
    array([7])
    """
    if known is None:
        return block
    labels = np.asarray(block.array[:])
    different = (labels != encoding.encode(known, block.kind)[:]).any(axis=1)
    return replace(block, keys=Rows(block.rows[different]), values=(encoding.encode(labels[different], block.kind),))


def filled(block: Block, rows: Rows, known: NDArray[np.float32] | None, encoding: Encoding | None = None) -> Block:
    """Return a block of labels of all `rows`, with those of `known`, [rows, classes], where the block has none.

    `encoding` is what has become of the known labels where the block was made.

    Raises:
        KeysError: nothing is known, and rows are missing.
    """
    if len(block.rows) == len(rows):
        return block
    if known is None:
        raise KeysError(f"labels of {len(block.rows)} rows", expected=f"of {len(rows)}: there are no earlier ones")
    labels = np.array(known if encoding is None else encoding.encode(known, block.kind)[:])
    labels[np.searchsorted(rows.indices, block.rows)] = block.array[:]
    return replace(block, keys=rows, values=(labels,))
