"""One round's uplinks on their way to its aggregate. The daemon and the audit both go through here."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from limbeck_common.core.arrays.tensors import slices
from limbeck_common.core.blocks import Block, Parts, Rows, Space
from limbeck_common.core.errors import ValuesError
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.sparse_sums import SparseTally
from limbeck_common.methods.method import Decodes, Method, to_aggregate
from limbeck_server.aggregation.method_errors import blaming
from limbeck_server.aggregation.open_round import Collect, History, OpenRound
from limbeck_server.aggregation.validation import check_aggregate, check_form

_MEANS_BYTES = 1 << 26  # of means that are kept while uplinks are read


def aggregate_digest(digests: Mapping[str, str]) -> str:
    """Return the name (hexadecimal) of a round's whole aggregate: its only digest, or one over all audiences'."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256(
        "".join(f"{audience} {digest}\n" for audience, digest in sorted(digests.items())).encode()
    ).hexdigest()


class RoundAggregator:
    """One round's uplinks: judged, added up, and turned into the round's aggregate.

    `stored` yields the clients and their accepted parts, by name.
    """

    def __init__(
        self,
        method: Method,
        history: History,
        number: int,
        stored: Callable[[], Iterator[tuple[str, Parts]]],
        collect: Collect,
    ) -> None:
        self.method = method
        self._decodes = method if isinstance(method, Decodes) else None  # asked once: it looks at every attribute
        self.number = number
        self.stored = stored
        self.round = OpenRound(method, history, number, self._contributions, collect)
        self._reserved: Counter[tuple[str, str]] = Counter()  # weight by part and architecture

    @property
    def clients(self) -> int:
        """The number of clients whose uplinks are in the sums."""
        return self.round.clients

    def check(self, parts: Parts) -> tuple[Parts, str]:
        """Return an uplink's parts as they will be added up, and the architecture of its parameters; "" without any.

        Raises:
            RefusalError: they are not what the round asks for.
        """
        architecture = check_form(parts, self.round.plan)
        for part, block in parts.items():
            _check_values(part, block)
        received = self._decode(parts)
        if received is not parts:
            for part, block in received.items():
                _check_values(part, block)
        return received, architecture

    def reserve(self, parts: Parts, architecture: str) -> None:
        """Reserve room for checked parts in the sums, before their client is told that they are accepted.

        Raises:
            ValuesError: the sums could overflow.
        """
        found = {}
        for part, block in parts.items():
            key = (part, architecture if block.space is Space.PARAMETERS else "")
            weight = block.weight if isinstance(block.weight, int) else int(block.weight.max(initial=0))
            found[key] = self._reserved[key] + weight
            if block.kind.summed and found[key] > block.kind.most_weight:
                raise ValuesError(
                    f"part {part}: a block that brings the round's weight to {found[key]}",
                    expected=f"at most {block.kind.most_weight}",
                )
        self._reserved |= Counter(found)

    def add(self, parts: Parts, architecture: str) -> None:
        """Add parts, for which room was reserved, to the sums."""
        self.round.add(parts, architecture)

    def refill(self) -> None:
        """Add up, after a restart, the round's stored uplinks. They were checked when they came, and are again.

        Raises:
            RefusalError: an uplink is not what the round asks for: the settings or the store have changed.
            DataError: a stored uplink is damaged.
        """
        for _, stored in self.stored():
            parts, architecture = self.check(stored)
            self.reserve(parts, architecture)
            self.add(parts, architecture)

    def aggregate(self) -> Aggregate:
        """Return the round's aggregate, before a model has refined it."""
        return to_aggregate(self.method.server_aggregate(self.round))

    def check_aggregate(self, aggregate: Aggregate) -> None:
        """Check that an aggregate has the declared form and is finite: one diverged model would spread to all clients.

        Raises:
            MethodError: it has not, or is not.
        """
        check_aggregate(aggregate, self.round.forms.down, f"round {self.number}: method {self.round.spec.method.name}")

    def disagreement(self) -> dict[str, float]:
        """Return each client's mean total variation distance, 0 to 1, from the mean over all, of one part.

        It is the first part, by name, whose values can be compared as probabilities; empty where there is none.
        """
        comparable = [part for part, ask in sorted(self.round.plan.items()) if ask.form.kind.is_comparable]
        return self._apart(comparable[0]) if comparable and self.clients else {}

    def _apart(self, part: str) -> dict[str, float]:
        tally = self._comparable(part)
        keys = tally.answered.indices
        small = tally.sums.nbytes <= _MEANS_BYTES if isinstance(tally, Tally) else False
        known = list(tally.means()) if small else None
        apart: dict[str, float] = defaultdict(float)
        rows = Counter[str]()
        for client, parts in self.round.uplinks():  # each is read once, and the means once more for each
            block, done = parts[part], 0
            for mean in tally.means() if known is None else known:
                here = keys[done : done + len(mean)]
                done += len(mean)
                low, high = np.searchsorted(block.rows, [here[0], here[-1] + 1])
                likely = block.kind.to_probabilities(block.array[int(low) : int(high)])
                if likely is not None:
                    places = np.searchsorted(here, block.rows[low:high])
                    apart[client] += float(np.abs(likely - mean[places]).sum()) / 2
                    rows[client] += int(np.prod(likely.shape[:-1]))
        return {client: round(apart[client] / max(1, rows[client]), 6) for client in apart}

    def _comparable(self, part: str) -> Tally | SparseTally:
        """Return a part's sums, of the softmax of each client's where it has class scores."""
        known = self.round.tally(part)
        if not isinstance(known, Tally) or known.kind is not Kind.LOGITS:
            return known
        tally = Tally(known.keys, known.sums.shape[1:], Kind.PROBABILITIES)
        for _, parts in self.round.uplinks():
            block = parts[part]
            for start, values in slices(block.array):
                likely = block.kind.to_probabilities(values)
                if likely is not None:
                    keyed = Rows(block.rows[start : start + len(values)])
                    tally.add(Block(block.space, keyed, Kind.PROBABILITIES, (likely,)))
        return tally

    def _contributions(self) -> Iterator[tuple[str, Parts]]:
        for client, parts in self.stored():
            yield client, self._decode(parts)

    def _decode(self, parts: Parts) -> Parts:
        if self._decodes is None:
            return parts
        with blaming(self.method, "server_decode"):
            return self._decodes.server_decode(self.round, parts)


def _check_values(part: str, block: Block) -> None:
    try:
        for values in block.values:
            for start, slice_ in slices(values):
                block.kind.check(slice_, start)
    except ValuesError as error:
        raise ValuesError(f"part {part}: {error.wrong}", expected=error.expected, remedy=error.remedy) from error
