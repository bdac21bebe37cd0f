"""Whether a store is what a daemon wrote, and every aggregate follows from its uplinks: `limbeck-server audit`.

Three things stand against each other: the facts, chained by SHA-256; the blocks, each with the digest that a fact
names; and the method, which must give the same aggregate again, bit for bit, on the machine and with the library
versions that the daemon ran on. Whoever rewrites all of it consistently, or cuts off its end, leaves one trace: the
chain has another head.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import LimbeckError, RefusalError
from limbeck_common.core.messages import Block, Rows
from limbeck_common.core.spec import Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.wire.codec import block_digest
from limbeck_server.aggregation.aggregator import RoundAggregator, ServerContext
from limbeck_server.audit.history import History, RoundHistory, read_history
from limbeck_server.storage.protocols import BlockKey, DamageError, StoreReader

_NOTHING = block_digest(None).hex()  # the digest of an uplink without predictions


@dataclass(frozen=True)
class Verdict:
    """One line for people, and each fault behind it."""

    text: str
    damage: tuple[str, ...] = ()


def audit(reader: StoreReader, head: str = "") -> Iterator[Verdict]:
    """Yield a verdict on the database, on the journal and on each round. `head` is a chain value noted earlier."""
    faults = tuple(reader.faults())
    yield Verdict("database: DAMAGED" if faults else "database: sound", faults)
    history = read_history(reader, head)
    state = "DAMAGED" if history.damage else "chain unbroken"
    yield Verdict(f"journal: {history.length} facts, {state}, head {history.head}", tuple(history.damage))
    if history.spec is None:
        return
    try:
        keys = reader.keys()
    except DamageError as error:
        yield Verdict("blocks: DAMAGED", (f"their tables cannot be read: {error}",))
        keys = set()
    try:
        auditor = _RoundAuditor(reader, history, history.spec, keys)
    except LimbeckError as error:
        yield Verdict("rounds: not checked", (f"the specification's method is not available: {error}",))
        return
    for number in sorted(history.rounds):
        yield auditor.judge(number)
    strays = tuple(sorted(f"{key} is stored, but no fact names it" for key in keys))
    if strays:
        yield Verdict("blocks: DAMAGED", strays)


class _RoundAuditor:
    """Judges one round after another. What is left of `keys` in the end are blocks that no fact names."""

    def __init__(self, reader: StoreReader, history: History, spec: Spec, keys: set[BlockKey]) -> None:
        self._reader = reader
        self._history = history
        self._spec = spec
        self._keys = keys
        self._method = make_method(spec.method)
        self._aggregates: dict[tuple[int, str], Block] = {}  # the sound ones of the rounds so far, by round and group

    def judge(self, number: int) -> Verdict:
        """Return the verdict on round `number`."""
        past = self._history.rounds[number]
        aggregates, damage = self._read(number, past.aggregates, aggregate=True)
        self._aggregates |= {(number, group): block for group, block in aggregates.items()}
        if number <= self._history.deleted:
            parts = ["uplinks deleted"]
            recomputed = False
        else:
            uplinks, wrong = self._read(number, past.uplinks)
            damage = wrong + damage
            if not past.closing and not wrong:
                damage += self._recompute(number, past, uplinks)
            parts = [f"{len(past.uplinks)} uplinks sound"]
            recomputed = not self._method.refines
        if past.aggregates:
            parts.append("aggregate sound" + (" and recomputed from them bit for bit" if recomputed else ""))
            if not recomputed and number > self._history.deleted:
                parts.append("not recomputed: the server's model refined it")
        elif not past.closing:
            parts.append("no aggregate")
        return Verdict(f"round {number}: {'DAMAGED' if damage else ', '.join(parts)}", tuple(damage))

    def _read(
        self, number: int, digests: Mapping[str, str], *, aggregate: bool = False
    ) -> tuple[dict[str, Block], list[str]]:
        """Return those of a round's blocks that are sound, by name, and what is wrong with the others."""
        sound, damage = {}, []
        for name, digest in sorted(digests.items()):
            key = BlockKey(number, name, aggregate)
            if key not in self._keys:
                if digest != _NOTHING:
                    damage.append(f"{key} is missing")
                continue
            self._keys.discard(key)
            try:
                sound[name] = self._reader.block(key, self._spec.open_rows, digest)
            except DamageError as error:
                damage.append(f"{key}: {error}")
        return sound, damage

    def _find(self, number: int, group: str) -> Block | None:
        """Return what a round sent to a group. Raises DamageError where that is not sound."""
        past = self._history.rounds.get(number)
        if past is not None and group in past.aggregates and (number, group) not in self._aggregates:
            raise DamageError(f"it cannot be recomputed without the aggregate of round {number}")
        return self._aggregates.get((number, group))

    def _recompute(self, number: int, past: RoundHistory, uplinks: dict[str, Block]) -> list[str]:
        """Return what the method says against the uplinks, and which aggregates do not follow from them."""
        try:
            return list(self._compare(number, past, uplinks))
        except DamageError as error:
            return [f"{BlockKey(number, '', aggregate=True)}: {error}"]

    def _compare(self, number: int, past: RoundHistory, uplinks: dict[str, Block]) -> Iterator[str]:
        sent = [(past.groups[client], block) for client, block in uplinks.items()]
        named = [*sent, *((group, block) for (_, group), block in self._aggregates.items())]
        models = {group: _shapes(block) for group, block in named if not isinstance(block.keys, Rows)}
        context = ServerContext(self._spec, models, self._find)
        aggregator = RoundAggregator(self._method, context, number, lambda: iter(uplinks.items()), _concatenate)
        for client, block in uplinks.items():
            try:
                received, group = aggregator.check(block)
                if received is not None:
                    aggregator.reserve(received, group)
                    aggregator.add(received, group)
            except RefusalError as error:
                yield f"{BlockKey(number, client)}: {error}"
                return
        if not past.aggregates or self._method.refines:
            return
        if not uplinks:
            yield f"{BlockKey(number, '', aggregate=True)}: the journal names no uplinks that it came from"
            return
        found = {group: block_digest(block).hex() for group, block in aggregator.aggregate().blocks.items()}
        for group in sorted(found.keys() | past.aggregates.keys()):
            gives, says = found.get(group, "none"), past.aggregates.get(group, "none")
            if gives != says:
                key = BlockKey(number, group, aggregate=True)
                yield f"{key}: its uplinks give {gives[:12]}, the journal says {says[:12]}"


def _concatenate(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def _shapes(block: Block) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in block.parameters.items()}
