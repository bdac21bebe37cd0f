"""Whether the store is what the daemon wrote, and every aggregate follows from its uplinks: `limbeck-server audit`.

Three things stand against each other: the facts, chained by SHA-256; the blocks, each with the digest that a fact
names; and the method, which must give the same aggregate again, bit for bit, on the machine and with the library
versions that the daemon ran on. Whoever rewrites all of it consistently, or takes away its end, leaves one trace: the
chain has another head.
"""

import sqlite3
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
from limbeck_server.audit.reader import DamageError, StoreReader
from limbeck_server.storage.sqlite import TEACHER

_NOTHING = block_digest(None).hex()  # the digest of an uplink without predictions
_Places = dict[tuple[int, str], int]


@dataclass(frozen=True)
class Verdict:
    """A line for people, and the damage that it stands for."""

    text: str
    damage: tuple[str, ...] = ()


def audit(reader: StoreReader, head: str = "") -> Iterator[Verdict]:
    """Yield a verdict on the database, on the journal and on each round. `head` is a chain value noted before."""
    faults = tuple(reader.faults())
    yield Verdict("database: DAMAGED" if faults else "database: sound", faults)
    history = read_history(reader, head)
    state = "DAMAGED" if history.damage else "chain unbroken"
    yield Verdict(f"journal: {history.length} facts, {state}, head {history.head}", tuple(history.damage))
    if history.spec is None:
        return
    try:
        places = reader.filed()
    except (sqlite3.Error, ValueError) as error:
        yield Verdict("blocks: DAMAGED", (f"their table cannot be read: {error}",))
        places = {}
    try:
        examiner = _Examiner(reader, history, history.spec, places)
    except LimbeckError as error:
        yield Verdict("rounds: not checked", (f"the specification's method cannot be had: {error}",))
        return
    for number in sorted(history.rounds):
        yield examiner.examine(number)
    strays = tuple(f"{_name(*key)} is stored, but no fact names it" for key in places)
    if strays:
        yield Verdict("blocks: DAMAGED", strays)


class _Examiner:
    """Looks at one round after another. `places` is left with the blocks that no fact names."""

    def __init__(self, reader: StoreReader, history: History, spec: Spec, places: _Places) -> None:
        self._reader = reader
        self._history = history
        self._spec = spec
        self._places = places
        self._method = make_method(spec.method)
        self._taught: dict[tuple[int, str], Block] = {}  # what is sound of the rounds before

    def examine(self, number: int) -> Verdict:
        """Return the verdict on round `number`."""
        past = self._history.rounds[number]
        taught, damage = self._read(number, {TEACHER + group: digest for group, digest in past.taught.items()})
        self._taught |= {(number, name.removeprefix(TEACHER)): block for name, block in taught.items()}
        if number <= self._history.dropped:
            said = "uplinks not kept"
        else:
            kept, wrong = self._read(number, past.kept)
            damage = wrong + damage
            said = f"{len(past.kept)} uplinks as they came"
            if not past.closing:
                again = list(self._aggregate_again(number, past, kept)) if not wrong else []
                damage += again
                said += self._said_of_aggregate(past, damage)
        if past.taught:
            said += ", aggregate as the journal names it"
        elif not past.closing:
            said += ", not taught"
        return Verdict(f"round {number}: {'DAMAGED' if damage else said}", tuple(damage))

    def _read(self, number: int, digests: Mapping[str, str]) -> tuple[dict[str, Block], list[str]]:
        """Return a round's sound blocks by the names that facts know them by, and what is wrong with the others."""
        sound, damage = {}, []
        for name, digest in sorted(digests.items()):
            place = self._places.pop((number, name), None)
            if place is None:
                if digest != _NOTHING:
                    damage.append(f"{_name(number, name)} is missing")
                continue
            try:
                sound[name] = self._reader.block(place, self._spec.open_rows, digest)
            except DamageError as error:
                damage.append(f"{_name(number, name)}: {error}")
        return sound, damage

    def _find(self, number: int, group: str) -> Block | None:
        """Return what a round taught a group. Raises DamageError where that is not sound."""
        past = self._history.rounds.get(number)
        if past is not None and group in past.taught and (number, group) not in self._taught:
            raise DamageError(f"it cannot be made again without the aggregate of round {number}")
        return self._taught.get((number, group))

    def _aggregate_again(self, number: int, past: RoundHistory, kept: dict[str, Block]) -> Iterator[str]:
        """Yield what is wrong with uplinks in the eyes of the method, and whether they give the same aggregate."""
        try:
            yield from self._compare(number, past, kept)
        except DamageError as error:
            yield f"{_name(number, TEACHER)}: {error}"

    def _compare(self, number: int, past: RoundHistory, kept: dict[str, Block]) -> Iterator[str]:
        brought = [(past.groups[client], block) for client, block in kept.items()]
        named = [*brought, *((group, block) for (_, group), block in self._taught.items())]
        models = {group: _shapes(block) for group, block in named if not isinstance(block.keys, Rows)}
        context = ServerContext(self._spec, models, self._find)
        aggregator = RoundAggregator(self._method, context, number, lambda: iter(kept.items()), _together)
        for client, block in kept.items():
            try:
                received, group = aggregator.check(block)
                if received is not None:
                    aggregator.reserve(received, group)
                    aggregator.add(received, group)
            except RefusalError as error:
                yield f"{_name(number, client)}: {error}"
                return
        if not past.taught or self._method.refines:
            return
        if not kept:
            yield f"aggregate of round {number}: the journal names no uplinks that it came from"
            return
        found = {group: block_digest(block).hex() for group, block in aggregator.aggregate().blocks.items()}
        for group in sorted(found.keys() | past.taught.keys()):
            gives, says = found.get(group, "none"), past.taught.get(group, "none")
            if gives != says:
                yield f"{_name(number, TEACHER + group)}: its uplinks give {gives[:12]}, the journal says {says[:12]}"

    def _said_of_aggregate(self, past: RoundHistory, wrong: list[str]) -> str:
        if not past.taught or wrong:
            return ""
        if self._method.refines:
            return ", the aggregate not made again: the server's model had a part in it"
        return ", and the same aggregate from them, bit for bit"


def _together(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def _shapes(block: Block) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in block.parameters.items()}


def _name(number: int, name: str) -> str:
    if not name.startswith(TEACHER):
        return f"uplink of {name} for round {number}"
    group = name.removeprefix(TEACHER)
    return f"aggregate of round {number}" + (f" for group {group}" if group else "")
