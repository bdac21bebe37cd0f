"""SCARLET: DS-FL with a cache of soft labels on both sides.

K. Azuma, T. Nishio, Y. Kitagawa, W. Nakano, T. Tanimura, "Soft-Label Caching and Sharpening for Communication-Efficient
Federated Distillation", IEEE Transactions on Mobile Computing, 2026 (arXiv 2504.19602). A label lives D rounds: of a
round's sampled rows only those without a living label are asked for, and all are distilled on. Labels are sharpened
by enhanced ERA, mean^beta / sum of mean^beta.

Departures: the server's cache is the last D aggregates, so there is nothing else to keep. The client draws the round's
sample itself and knows its own labels, so no cache signals travel. A label that replaces an expired one is cached at
once; in the authors' code only the next one is. Labels of the first rounds are the worst and live shorter: those of
round t at most t - 1 rounds. A client that missed rounds gets their living labels.
"""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.blocks import Block, Parts, Rows, soft_labels
from limbeck_common.core.form import Plan
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import PastRounds, Recipient, ServerRound, open_sample

Labels = tuple[NDArray[np.int64], NDArray[Any]]  # rows, ascending, and their labels [rows, classes]


class Scarlet(DSFL):
    """DS-FL that asks for a row's label once in `duration` rounds."""

    aggregation: Literal["era", "sa", "eera"] = "eera"
    duration: Annotated[
        PositiveInt, Field(description="Largest number of rounds that use a label after its own (D).")
    ] = 25

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for labels of the round's rows that have no living label; there may be none."""
        drawn = open_sample(server.spec, server.number, self.open_per_round)
        known = [block.rows for block in self._living(server, server.number)]
        wanted = drawn.indices[~np.isin(drawn.indices, np.concatenate([drawn.indices[:0], *known]))]
        return {"labels": drawn if len(wanted) == len(drawn) else Rows(wanted)}

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        """Server: return the last round's labels, with the living labels of rounds that the client missed."""
        last = server.aggregate(client.round - 1)
        missed = self._living(server, client.round - 1, max(1, client.learned))
        return {"labels": self._newest([*missed, last["labels"]])} if last is not None and missed else last

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: cache the fresh labels, then train on all of the round's rows."""
        cached: Labels | None = None
        if "rows" in client.memory:
            cached = client.memory["rows"], client.memory["labels"]
        fresh = client.aggregate["labels"]
        rows, labels = replaced(cached, (fresh.rows, np.asarray(fresh.array[:])))
        client.memory.update(rows=rows, labels=labels)
        drawn = open_sample(client.spec, client.number - 1, self.open_per_round)
        _, places, _ = np.intersect1d(rows, drawn.indices, assume_unique=True, return_indices=True)
        client.distill(soft_labels(Rows(rows[places]), labels[places]))

    def _living(self, server: PastRounds, number: int, first: int = 1) -> list[Block]:
        """Return the labels of rounds `first` to `number` - 1 that round `number` still uses, in order."""
        rounds = range(max(first, number - self.duration), number)
        found = [server.aggregate(made) for made in rounds if made + lifetime(made, self.duration) >= number]
        return [parts["labels"] for parts in found if parts is not None]

    def _newest(self, blocks: list[Block]) -> Block:
        """Return one block with the last label of each row in `blocks`, oldest first."""
        merged: Labels | None = None
        for block in blocks:
            merged = replaced(merged, (block.rows, np.asarray(block.array[:])))
        if merged is None:
            raise ValueError("no labels to merge")
        return soft_labels(Rows(merged[0]), self.encoding.encode(merged[1], blocks[0].kind))


def lifetime(number: int, duration: int) -> int:
    """Return how many rounds after round `number` use its labels again: D, and fewer in the first rounds.

    >>> [lifetime(number, duration=3) for number in (1, 2, 3, 4, 5)]
    [0, 1, 2, 3, 3]
    """
    return min(duration, number - 1)


def replaced(old: Labels | None, fresh: Labels) -> Labels:
    """Return the labels of `old` and `fresh`; where both have a row, that of `fresh`."""
    if old is None:
        return fresh
    stays = ~np.isin(old[0], fresh[0], assume_unique=True)
    rows = np.concatenate([old[0][stays], fresh[0]])
    order = np.argsort(rows)
    return rows[order], np.concatenate([old[1][stays], fresh[1]])[order]
