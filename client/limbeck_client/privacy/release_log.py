"""The release log: a line for every uplink that left this machine, written before it leaves."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from limbeck_client.privacy.policy import extremes
from limbeck_common.core.arrays.tensors import nbytes
from limbeck_common.core.blocks import Block
from limbeck_common.core.errors import DataError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink
from limbeck_common.support.disk import flush


@dataclass(frozen=True)
class PartRecord:
    """One part of an uplink. `keys` counts its open rows, classes, made rows or arrays of parameters."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    part: str
    kind: Kind
    keys: int
    bytes: int
    confidence: float | None = None  # the largest probability, where the values are likelihoods
    entropy: float | None = None  # the smallest entropy of a row, in nats, where the values are likelihoods
    key_weights: bool = False  # whether a weight per row or class leaves

    def __str__(self) -> str:
        said = f"{self.part}: {self.keys} x {self.kind}, {self.bytes:,} bytes"
        if self.confidence is not None and self.entropy is not None:
            said += f", at most {self.confidence:.3f} sure, entropy from {self.entropy:.3f} nats"
        return f"{said}, each with a weight" if self.key_weights else said


@dataclass(frozen=True)
class ReleaseRecord:
    """One uplink."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    at: str  # ISO 8601, UTC
    federation_id: str
    round: int
    parts: tuple[PartRecord, ...] = ()  # none where metrics leave alone
    digest: str = ""  # of the parts, in hexadecimal; empty where metrics leave alone
    metrics: tuple[str, ...] = ()  # their names, sorted
    epoch: int = 1  # of the server's store: above 1, rounds were counted anew from a backup

    @property
    def key(self) -> tuple[str, int, int, str]:
        """The uplink's `uplink_key`."""
        return self.federation_id, self.epoch, self.round, self.digest

    def __str__(self) -> str:
        what = "; ".join(map(str, self.parts)) or "metrics only"
        if self.metrics:
            what += f", with {', '.join(self.metrics)}"
        number = f"{self.round:>3}" + (f", epoch {self.epoch}" if self.epoch > 1 else "")
        return f"{self.at}  {self.federation_id}  round {number}  {what}  {self.digest[:12]}"


def uplink_key(uplink: Uplink) -> tuple[str, int, int, str]:
    """Return what identifies an uplink: its federation, epoch and round, and its parts' digest."""
    digest = uplink.digest.hex() if uplink.parts else ""
    return uplink.federation_id, uplink.epoch, uplink.round, digest


_RECORD = TypeAdapter(ReleaseRecord)


def describe(uplink: Uplink) -> ReleaseRecord:
    """Return the record of an uplink that leaves now."""
    return ReleaseRecord(
        datetime.now(UTC).isoformat(timespec="seconds"),
        uplink.federation_id,
        uplink.round,
        tuple(_describe_part(part, block) for part, block in sorted(uplink.parts.items())),
        uplink_key(uplink)[-1],
        tuple(sorted(uplink.metrics)),
        uplink.epoch,
    )


def _describe_part(part: str, block: Block) -> PartRecord:
    size = sum(map(nbytes, block.values))
    weighed = not isinstance(block.weight, int)
    likely = block.kind.is_likelihood and len(block.keys) > 0
    confidence, entropy = extremes(block) if likely else (None, None)
    return PartRecord(part, block.kind, len(block.keys), size, confidence, entropy, weighed)


def read_record(text: bytes) -> ReleaseRecord:
    """Return the record that was written as a JSON object.

    Raises:
        ValidationError: it is something else; of type `json_invalid` where it is not even JSON.
    """
    return _RECORD.validate_json(text, strict=True)


def as_json(record: ReleaseRecord) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(asdict(record))


class ReleaseLog:
    """One client's release log, a file of JSON lines in its state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "release-log.jsonl"

    def write(self, record: ReleaseRecord) -> None:
        """Add a record, unless one of the same uplink is there already; it is on the disk once this returns.

        Raises:
            OSError: it cannot be written.
            DataError: the file has a line that is no record.
        """
        if any(each.key == record.key for each in self.read()):
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        before = self.file.read_bytes() if self.file.exists() else b""
        with self.file.open("ab") as file:
            if before and not before.endswith(b"\n"):
                file.write(b"\n")  # end the line that a crash cut short
            file.write(as_json(record).encode() + b"\n")
        flush(self.file)

    def read(self) -> Iterator[ReleaseRecord]:
        """Yield the records. A line that a crash cut short is skipped: its uplink had not left.

        Raises:
            DataError: a line is JSON, but no record.
        """
        if not self.file.exists():
            return
        for number, line in enumerate(self.file.read_bytes().split(b"\n"), 1):
            try:
                yield read_record(line)
            except ValidationError as error:
                if error.errors()[0]["type"] != "json_invalid":
                    raise DataError(
                        f"{self.file}, line {number} is no record of a release", remedy="mend or delete that line"
                    ) from error

    def answered(self, federation_id: str, besides: tuple[int, int]) -> int:
        """Return how many contributions to a federation have left, but for those to the epoch and round `besides`.

        A round that is done again after a crash counts once. One that is done again because the server was restored
        from a backup counts twice: what left before has left.
        """
        mine = (each for each in self.read() if each.federation_id == federation_id)
        return sum(any(part.keys for part in each.parts) and (each.epoch, each.round) != besides for each in mine)
