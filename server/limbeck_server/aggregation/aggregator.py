"""One round's uplinks on their way to its aggregate. The daemon and the audit both go through here."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import MethodError, ValuesError
from limbeck_common.core.exact_sums import MOST_WEIGHT, ParameterTally, Tally, check_values
from limbeck_common.core.messages import Aggregate, Block, Kind, Rows, Shapes, Space, soft_labels
from limbeck_common.core.spec import Spec
from limbeck_common.core.tensors import Tensor, slices
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import Method
from limbeck_server.aggregation.method_errors import blaming
from limbeck_server.aggregation.validation import check_form

Find = Callable[[int, str], Block | None]


def aggregate_digest(digests: Mapping[str, str]) -> str:
    """Return the name (hexadecimal) of a round's whole aggregate: its only block's digest, or one over all of them."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256(
        "".join(f"{group} {digest}\n" for group, digest in sorted(digests.items())).encode()
    ).hexdigest()


@dataclass(frozen=True, eq=False)
class ServerContext:
    """What the server's half of a method may read: see `limbeck_common.methods.method.ServerContext`."""

    spec: Spec
    models: Mapping[str, Shapes]
    find: Find  # a round's aggregate, by round and group

    def aggregate(self, number: int, group: str = "") -> Block | None:
        """Return the aggregate that round `number` made for a group, or None."""
        return self.find(number, group) if number >= 1 else None


@dataclass(eq=False)
class RoundAggregator:
    """One round's uplinks: their exact sums, and the uplinks themselves for a method that reads them again.

    See `limbeck_common.methods.method.ServerRound`. `stored` yields the clients and their accepted blocks, by name.
    """

    method: Method
    context: ServerContext
    number: int
    stored: Callable[[], Iterator[tuple[str, Block]]]
    collect: Callable[[Iterable[NDArray[Any]]], Tensor]
    models: dict[str, ParameterTally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ask = self.ask = self.method.server_plan(self.context, self.number)
        keys = ask.wanted.indices if ask.space is Space.OPEN else np.arange(self.context.spec.output.width)
        decoded = ask.kind is Kind.CODES  # `server_decode` turns codes into probabilities over the classes
        kind = Kind.PROBABILITIES if decoded else ask.kind
        columns = self.context.spec.output.width if decoded else ask.columns or self.context.spec.output.width
        self.tally = Tally(keys, columns, kind)
        self.clients = 0
        self._admitted: Counter[str] = Counter()  # weight by group

    def check(self, block: Block | None) -> tuple[Block | None, str]:
        """Return a block as it will be added up, and the group of its architecture.

        Raises:
            RefusalError: the block is not what the round asks for.
        """
        group = check_form(block, self.ask, self.context.spec)
        if block is None:
            return None, group
        received = self._decode(block)
        for values in received.values:
            check_values(values, received.kind)
        return received, group

    def reserve(self, block: Block, group: str) -> None:
        """Reserve room for a checked block in the sums, before its client is told that it is accepted.

        Raises:
            ValuesError: the sums could overflow.
        """
        weight, most = self._admitted[group] + block.weight, MOST_WEIGHT[block.kind]
        if weight > most:
            raise ValuesError(f"a block that brings the round's weight to {weight}", expected=f"at most {most}")
        self._admitted[group] = weight

    def add(self, block: Block, group: str) -> None:
        """Add a block, for which room was reserved, to the sums."""
        self.clients += 1
        if isinstance(block.keys, Rows):
            self.tally.add(block)
            return
        if group not in self.models:
            self.models[group] = ParameterTally(self.ask.models[group])
        self.models[group].add(block)

    def refill(self) -> None:
        """Add up, after a restart, the round's stored uplinks. They were checked when they came, and are again.

        Raises:
            RefusalError: an uplink is not what the round asks for: the settings or the store have changed.
            DataError: a stored uplink is damaged.
        """
        for _, stored in self.stored():
            block, group = self.check(stored)
            if block is not None:
                self.reserve(block, group)
                self.add(block, group)

    def uplinks(self) -> Iterator[tuple[str, Block]]:
        """Yield each client's name and its block as it was added up, by name, one in memory at a time."""
        for client, block in self.stored():
            yield client, self._decode(block)

    def stacks(self) -> Iterator[NDArray[Any]]:
        """Yield slices of all the predictions, shape [clients, rows, classes], clients by name."""
        step = max(1, (1 << 20) // (4 * self.tally.sums.shape[1] * max(1, self.clients)))
        for start in range(0, len(self.tally.keys), step):
            yield np.stack([block.predictions[start : start + step] for _, block in self.uplinks()])

    def aggregate(self) -> Aggregate:
        """Return the round's aggregate, before a model has refined it."""
        return self.method.server_aggregate(self)

    def check_aggregate(self, aggregate: Aggregate) -> None:
        """Check that an aggregate is finite: what one diverged model says would otherwise spread to all clients.

        Raises:
            MethodError: it is not.
        """
        for values in (each for block in aggregate.blocks.values() for each in block.values):
            if not all(np.isfinite(part).all() for _, part in slices(values)):
                name = self.context.spec.method.name
                raise MethodError(
                    f"round {self.number}: method {name} made an aggregate that is not finite",
                    remedy="lower the learning rates, or see in `limbeck-server watch` which client is furthest",
                )

    def disagreement(self) -> dict[str, float]:
        """Return each client's mean total variation distance, 0 to 1, from the mean over all; empty for parameters.

        Scores are compared as their softmax, so that large scores do not make a client the mean.
        """
        if self.ask.space is Space.PARAMETERS or not self.clients:
            return {}
        tally = self.tally
        if tally.kind is Kind.LOGITS:
            tally = Tally(self.tally.keys, self.tally.sums.shape[1], Kind.PROBABILITIES)
            for _, block in self.uplinks():
                for start, part in slices(block.predictions):
                    keyed = Rows(block.rows[start : start + len(part)])
                    tally.add(soft_labels(keyed, _probabilities(part, block.kind)))
        answered, done = tally.answered.indices, 0
        apart: dict[str, float] = defaultdict(float)
        rows = Counter[str]()
        for mean in tally.means():  # a slice at a time, whatever the number of rows
            keys = answered[done : done + len(mean)]
            done += len(mean)
            for client, block in self.uplinks():
                low, high = np.searchsorted(block.rows, [keys[0], keys[-1] + 1])
                part = _probabilities(block.predictions[low:high], block.kind)
                places = np.searchsorted(keys, block.rows[low:high])
                apart[client] += float(np.abs(part - mean[places]).sum()) / 2
                rows[client] += len(part)
        return {client: round(apart[client] / max(1, rows[client]), 6) for client in apart}

    def _decode(self, block: Block) -> Block:
        with blaming(self.method, "server_decode"):
            return self.method.server_decode(self.context, self.number, block)


def _probabilities(values: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Return predictions, shape [rows, classes], as probabilities."""
    return softmax(values) if kind is Kind.LOGITS else values
