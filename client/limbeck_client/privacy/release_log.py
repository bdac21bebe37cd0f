"""The release release_log: a line for everything that left this machine, written before it leaves."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from limbeck_client.privacy.policy import extremes
from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Kind, Uplink
from limbeck_common.core.tensors import nbytes
from limbeck_common.support.disk import flush


@dataclass(frozen=True)
class ReleaseRecord:
    """One uplink: how many rows (open rows, classes or parameters) of which kind, and the digest that names it."""

    at: str  # ISO 8601, UTC
    federation_id: str
    round: int
    kind: str = "metrics only"
    rows: int = 0
    bytes: int = 0
    confidence: float = 0.0  # largest probability; 0 where no probabilities leave
    entropy: float = 0.0  # smallest of a row, in nats
    digest: str = ""
    metrics: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"{self.rows} rows of {self.kind}, {self.bytes:,} bytes" if self.rows else self.kind
        limits = f", at most {self.confidence:.3f} sure, entropy from {self.entropy:.3f} nats" if self.rows else ""
        metrics = f", with {', '.join(self.metrics)}" if self.metrics else ""
        return f"{self.at}  {self.federation_id}  round {self.round:>3}  {what}{limits}{metrics}  {self.digest[:12]}"


def name_of(uplink: Uplink) -> tuple[str, int, str]:
    """Return what tells an uplink from every other: its federation, its round, its predictions' digest."""
    digest = "" if uplink.contribution is None else uplink.digest.hex()
    return uplink.federation_id, uplink.round, digest


_RELEASE = TypeAdapter(ReleaseRecord)


def describe(uplink: Uplink) -> ReleaseRecord:
    """Return the release_log's entry for an uplink."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    metrics = tuple(sorted(uplink.metrics))
    federation_id, number, digest = name_of(uplink)
    block = uplink.contribution
    if block is None:
        return ReleaseRecord(now, federation_id, number, metrics=metrics)
    confidence, entropy = extremes(block) if block.kind is Kind.PROBABILITIES and len(block.keys) else (0.0, 0.0)
    size = sum(map(nbytes, block.values))
    return ReleaseRecord(
        now, federation_id, number, block.kind, len(block.keys), size, confidence, entropy, digest, metrics
    )


def read_release(fields: dict[str, Any]) -> ReleaseRecord:
    """Return the entry that was written as a JSON object."""
    return ReleaseRecord(**(fields | {"metrics": tuple(fields["metrics"])}))


class ReleaseLog:
    """One client's release_log, a file of JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "release_log.jsonl"

    def write(self, release: ReleaseRecord) -> None:
        """Add an entry, unless the same uplink is there already; on the disk once this returns."""
        named = (release.federation_id, release.round, release.digest)
        if any((each.federation_id, each.round, each.digest) == named for each in self.read()):
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as file:
            if file.tell() and not self.file.read_bytes().endswith(b"\n"):
                file.write(b"\n")  # a line that a crash cut short ends here
            file.write(json.dumps(asdict(release)).encode() + b"\n")
        flush(self.file)

    def read(self) -> Iterator[ReleaseRecord]:
        """Yield the entries; a line that a crash cut short is passed over: its uplink had not left.

        Raises:
            DataError: a line says something else than a release.
        """
        if not self.file.exists():
            return
        for number, line in enumerate(self.file.read_bytes().split(b"\n"), 1):
            try:
                yield _RELEASE.validate_json(line, strict=True)
            except ValidationError as error:
                if error.errors()[0]["type"] != "json_invalid":
                    raise DataError(
                        f"{self.file}, line {number} is no release", remedy="mend or delete that line"
                    ) from error

    def answered(self, federation_id: str, besides: int) -> int:
        """Return how many rounds of a federation, besides round `besides`, have been answered with predictions."""
        mine = (each for each in self.read() if each.federation_id == federation_id and each.round != besides)
        return sum(each.rows > 0 for each in mine)
