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

from limbeck_common.core.blocks import Parts, Shapes, Space
from limbeck_common.core.errors import LimbeckError, RefusalError
from limbeck_common.core.messages import ALL
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Refines
from limbeck_common.methods.registry import make_method
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.open_round import History as PastRounds
from limbeck_server.audit.history import History, RoundHistory, read_history
from limbeck_server.storage.protocols import DamageError, PartsKey, StoreReader

_NOTHING = parts_digest({}).hex()  # the digest of an uplink without parts


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

    def __init__(self, reader: StoreReader, history: History, spec: Spec, keys: set[PartsKey]) -> None:
        self._reader = reader
        self._history = history
        self._spec = spec
        self._keys = keys
        self._method = make_method(spec.method)
        self._architectures: dict[str, Shapes] = {}  # that uplinks have had so far, by name
        self._aggregates: dict[tuple[int, str], Parts] = {}  # the sound ones so far, by round and audience

    def judge(self, number: int) -> Verdict:
        """Return the verdict on round `number`."""
        past = self._history.rounds[number]
        aggregates, damage = self._read(number, past.aggregates, aggregate=True)
        self._aggregates |= {(number, audience): parts for audience, parts in aggregates.items()}
        if number <= self._history.deleted:
            parts = ["uplinks deleted"]
            recomputed = False
        else:
            uplinks, wrong = self._read(number, past.uplinks)
            damage = wrong + damage
            if not past.closing and not wrong:
                damage += self._recompute(number, past, uplinks)
            parts = [f"{len(past.uplinks)} uplinks sound"]
            recomputed = not isinstance(self._method, Refines)
        if past.aggregates:
            parts.append("aggregate sound" + (" and recomputed from them bit for bit" if recomputed else ""))
            if not recomputed and number > self._history.deleted:
                parts.append("not recomputed: the server's model refined it")
        elif not past.closing:
            parts.append("no aggregate")
        return Verdict(f"round {number}: {'DAMAGED' if damage else ', '.join(parts)}", tuple(damage))

    def _read(
        self, number: int, digests: Mapping[str, str], *, aggregate: bool = False
    ) -> tuple[dict[str, Parts], list[str]]:
        """Return those of a round's parts that are sound, by name, and what is wrong with the others."""
        sound, damage = {}, []
        for name, digest in sorted(digests.items()):
            key = PartsKey(number, name, aggregate)
            if key not in self._keys:
                if digest != _NOTHING:
                    damage.append(f"{key} is missing")
                continue
            self._keys.discard(key)
            try:
                sound[name] = self._reader.parts(key, self._spec.open_rows, digest)
            except DamageError as error:
                damage.append(f"{key}: {error}")
        return sound, damage

    def _find(self, number: int, audience: str) -> Parts | None:
        """Return what a round made for an audience. Raises DamageError where that is not sound."""
        past = self._history.rounds.get(number)
        if past is not None and audience in past.aggregates and (number, audience) not in self._aggregates:
            raise DamageError(f"it cannot be recomputed without the aggregate of round {number}")
        return self._aggregates.get((number, audience))

    def _recompute(self, number: int, past: RoundHistory, uplinks: dict[str, Parts]) -> list[str]:
        """Return what the method says against the uplinks, and which aggregates do not follow from them."""
        try:
            return list(self._compare(number, past, uplinks))
        except DamageError as error:
            return [f"{PartsKey(number, ALL, aggregate=True)}: {error}"]

    def _compare(self, number: int, past: RoundHistory, uplinks: dict[str, Parts]) -> Iterator[str]:
        for client, parts in uplinks.items():
            self._architectures.update((past.architectures[client], shapes) for shapes in _shapes(parts))
        rounds = PastRounds(self._spec, self._architectures, self._find)
        aggregator = RoundAggregator(self._method, rounds, number, lambda: iter(uplinks.items()), _concatenate)
        for client, parts in uplinks.items():
            try:
                received, architecture = aggregator.check(parts)
                aggregator.reserve(received, architecture)
                aggregator.add(received, architecture)
            except RefusalError as error:
                yield f"{PartsKey(number, client)}: {error}"
                return
        if not past.aggregates or isinstance(self._method, Refines):
            return
        if not uplinks:
            yield f"{PartsKey(number, ALL, aggregate=True)}: the journal names no uplinks that it came from"
            return
        found = {audience: parts_digest(parts).hex() for audience, parts in aggregator.aggregate().blocks.items()}
        for audience in sorted(found.keys() | past.aggregates.keys()):
            gives, says = found.get(audience, "none"), past.aggregates.get(audience, "none")
            if gives != says:
                key = PartsKey(number, audience, aggregate=True)
                yield f"{key}: its uplinks give {gives[:12]}, the journal says {says[:12]}"


def _concatenate(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def _shapes(parts: Parts) -> Iterator[Shapes]:
    """Yield the shapes of each model among an uplink's parts."""
    for block in parts.values():
        if block.space is Space.PARAMETERS:
            yield {name: value.shape for name, value in block.parameters.items()}
