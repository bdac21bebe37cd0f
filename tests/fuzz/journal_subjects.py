"""The daemon's journal: its facts, its blocks, and the database as a whole."""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from random import Random

from fuzz.damage import frames, mutate, mutate_bytes, unframe
from fuzz.file_subjects import PARTS, File, check_types, mutate_json
from fuzz.subject import Subject
from fuzz.wire_subjects import OPEN_ROWS, check_parts
from support.federations import METHOD
from support.finished_store import work

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import Output, Spec
from limbeck_common.wire.v1 import block_pb2
from limbeck_server import events as facts
from limbeck_server.audit.audit import audit
from limbeck_server.federation import Federation
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.state import FederationState, evolve
from limbeck_server.storage.block_rows import to_parts, to_row
from limbeck_server.storage.sqlite import SqliteStore
from limbeck_server.storage.sqlite_reader import SqliteReader


class Fact(Subject):
    """One line of the journal, read as the daemon does as it starts."""

    name = "fact"

    def __init__(self) -> None:
        story = [
            facts.Founded(at=1.0, federation_id="test", spec="ab"),
            facts.ClientJoined(at=1.0, client="a"),
            facts.Opened(at=1.0, round=1, participants=("a", "b"), seconds=8),
            facts.UplinkAccepted(at=1.0, round=1, client="a", digest="ab", metrics={"loss": 0.5}),
            facts.Evaluated(at=1.0, round=1, metrics={}),
            facts.Extended(at=1.0, seconds=1),
            facts.FederationEnded(at=1.0, state="finished", reason="done"),
        ]
        self.seeds = [facts.to_json(each).encode() for each in story]

    def draw(self, random: Random) -> bytes:
        return mutate_json(random.choice(self.seeds), random)

    def judge(self, data: bytes) -> None:
        try:
            found = facts.from_json(data.decode("utf-8", "replace"))
        except ValueError as error:
            raise DataError("no fact") from error
        check_types(found)
        assert evolve(FederationState(), found) is not None
        again = facts.to_json(found)
        assert facts.to_json(facts.from_json(again)) == again


class Row(File):
    """A row of the table `blocks`: frames of its head, its payload, and JSON of the rest."""

    name = "row"

    def __init__(self) -> None:
        super().__init__()
        row = to_row(PARTS)
        rest = {name: row[name] for name in ("size", "file")}
        large = rest | {"file": "there"}
        self.seeds = [frames([row["head"], row["payload"], json.dumps(each).encode()]) for each in (rest, large)]

    def draw(self, random: Random) -> bytes:
        head, payload, rest = unframe(random.choice(self.seeds))
        match random.randrange(3):
            case 0:
                head = mutate(head, (block_pb2.Parts,), random)
            case 1:
                payload = mutate_bytes(payload, random)
            case _:
                rest = mutate_json(rest, random)
        return frames([head, payload, rest])

    def judge(self, data: bytes) -> None:
        parts = unframe(data)
        try:
            rest = json.loads(parts[2])
            row = {name: rest[name] for name in ("size", "file")}
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise DataError("no row of a table") from error
        self.write("there", parts[1])
        found = to_parts(row | {"head": parts[0], "payload": parts[1]}, self.folder, OPEN_ROWS)
        head = block_pb2.Parts.FromString(parts[0])
        whole = parts[1] if rest["file"] is None else parts[1][: rest["size"]]
        check_parts(found, head.parts, whole)


class Journal(File):
    """The whole database, before an audit and a start of the daemon."""

    name = "journal"
    share = 0.02

    def __init__(self) -> None:
        super().__init__()
        self._worked = Path(tempfile.mkdtemp(prefix="limbeck-fuzz-"))
        work(self._worked)
        self.seeds = [(self._worked / "journal.sqlite").read_bytes()]
        self._head = self._audit(self._worked)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._worked)

    def draw(self, random: Random) -> bytes:
        data = self.seeds[0]
        if random.random() < 0.3:
            return mutate_bytes(data, random)
        content = bytearray(data)
        for _ in range(random.choice([1, 1, 8, 64])):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        return bytes(content)

    def judge(self, data: bytes) -> None:
        self.write("journal.sqlite", data)
        found = self._audit(self.folder)
        self._start(data)
        if found is None:
            raise DataError("damaged")
        assert found == self._head

    def _audit(self, folder: Path) -> str | None:
        reader = SqliteReader(folder)
        try:
            verdicts = list(audit(reader))
        finally:
            reader.close()
        return None if any(each.damage for each in verdicts) else verdicts[1].text

    def _start(self, data: bytes) -> None:
        self.write("journal.sqlite", data)
        store = SqliteStore(self.folder)
        try:
            spec = Spec(
                rounds=3, output=Output(width=3), sample_shape=(4,), sample_dtype="|u1", open_rows=16, method=METHOD
            )
            bounds = Bounds(3, 3, 0, 60)
            machine = Machine(3, 0, bounds, bounds)
            asyncio.run(_recover(spec, machine, store))
        finally:
            store.close()


async def _recover(spec: Spec, machine: Machine, store: SqliteStore) -> None:
    Federation.assemble(spec, machine, store, federation_id="test")
