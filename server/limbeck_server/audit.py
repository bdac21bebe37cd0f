"""Whether the store is what the daemon wrote, and every teaching follows from its uplinks: `limbeck-server audit`.

Three things stand against each other: the facts, chained by SHA-256; the blocks, each with the digest that a fact
names; and the method, which must give the same teaching again, bit for bit, on the machine and with the library
versions that the daemon ran on. Whoever rewrites all of it consistently, or takes away its end, leaves one trace: the
chain has another head.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from limbeck_common.config import Spec
from limbeck_common.errors import LimbeckError, RefusalError
from limbeck_common.exact import Tally
from limbeck_common.messages import Rows, soft_labels
from limbeck_common.methods.method import make_method
from limbeck_common.wire.codec import block_digest
from limbeck_server.aggregate import open_tally
from limbeck_server.archive import Archive, DamageError
from limbeck_server.gate import check_contribution
from limbeck_server.ledger import Ledger, read_ledger
from limbeck_server.store import TEACHER

_NOTHING = block_digest(None).hex()  # the digest of an uplink without predictions
_Places = dict[tuple[int, str], int]


@dataclass(frozen=True)
class Verdict:
    """A line for people, and the damage that it stands for."""

    text: str
    damage: tuple[str, ...] = ()


def audit(archive: Archive, head: str = "") -> Iterator[Verdict]:
    """Yield a verdict on the database, on the journal and on each round. `head` is a chain value noted before."""
    faults = tuple(archive.faults())
    yield Verdict("database: DAMAGED" if faults else "database: sound", faults)
    ledger = read_ledger(archive, head)
    state = "DAMAGED" if ledger.damage else "chain unbroken"
    yield Verdict(f"journal: {ledger.length} facts, {state}, head {ledger.head}", tuple(ledger.damage))
    if ledger.spec is None:
        return
    try:
        places = archive.filed()
    except (sqlite3.Error, ValueError) as error:
        yield Verdict("blocks: DAMAGED", (f"their table cannot be read: {error}",))
        places = {}
    try:
        examiner = _Examiner(archive, ledger, ledger.spec, places)
    except LimbeckError as error:
        yield Verdict("rounds: not checked", (f"the specification's method cannot be had: {error}",))
        return
    for number in sorted(ledger.rounds):
        yield examiner.examine(number)
    strays = tuple(f"{_name(*key)} is stored, but no fact names it" for key in places)
    if strays:
        yield Verdict("blocks: DAMAGED", strays)


class _Examiner:
    """Looks at one round after another. `places` is left with the blocks that no fact names."""

    def __init__(self, archive: Archive, ledger: Ledger, spec: Spec, places: _Places) -> None:
        self._archive = archive
        self._ledger = ledger
        self._spec = spec
        self._places = places
        self._method = make_method(spec.method)

    def examine(self, number: int) -> Verdict:
        """Return the verdict on round `number`."""
        entry = self._ledger.rounds[number]
        if number <= self._ledger.dropped:
            damage, said = [], "uplinks not kept"
        else:
            wanted, tally = (None, None) if entry.closing else open_tally(self._method, self._spec, number)
            damage = [
                wrong
                for client, digest in sorted(entry.kept.items())
                for wrong in self._check(number, client, digest, wanted, tally)
            ]
            said = f"{len(entry.kept)} uplinks as they came"
            if entry.taught and wanted is not None and tally is not None and not damage:
                damage += self._teach_again(number, entry.taught, wanted, tally)
                said += ", and the same teaching from them, bit for bit"
        if entry.taught:
            damage += self._check(number, TEACHER, entry.taught)
            said += ", teaching as the journal names it"
        elif not entry.closing:
            said += ", not taught"
        return Verdict(f"round {number}: {'DAMAGED' if damage else said}", tuple(damage))

    def _check(
        self, number: int, client: str, digest: str, wanted: Rows | None = None, tally: Tally | None = None
    ) -> Iterator[str]:
        """Yield what is wrong with a block that a fact names; if it is sound, add it to the tally."""
        place = self._places.pop((number, client), None)
        if place is None:
            if digest != _NOTHING:
                yield f"{_name(number, client)} is missing"
            return
        try:
            block = self._archive.block(place, self._spec.open_rows, digest)
            if client != TEACHER:
                check_contribution(block, wanted, self._spec)
        except (DamageError, RefusalError) as error:
            yield f"{_name(number, client)}: {error}"
            return
        if tally is not None:
            tally.add(block)

    def _teach_again(self, number: int, digest: str, wanted: Rows, tally: Tally) -> Iterator[str]:
        if not tally.counts.all():
            yield f"teaching of round {number}: the journal names no uplinks that it came from"
            return
        taught = soft_labels(wanted, np.concatenate(list(self._method.teach(tally))))
        found = block_digest(taught).hex()
        if found != digest:
            yield f"teaching of round {number}: its uplinks give {found[:12]}, the journal says {digest[:12]}"


def _name(number: int, client: str) -> str:
    return f"uplink of {client} for round {number}" if client != TEACHER else f"teaching of round {number}"
