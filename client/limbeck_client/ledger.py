"""The release ledger: a line for everything that left this machine, written before it leaves."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from limbeck_client.policy import extremes
from limbeck_common.disk import flush
from limbeck_common.errors import DataError
from limbeck_common.messages import Uplink, nbytes


@dataclass(frozen=True)
class Release:
    """One uplink: how many rows of which kind, how confident, and the digest that names it."""

    at: str  # ISO 8601, UTC
    federation_id: str
    round: int
    kind: str = "metrics only"
    rows: int = 0
    bytes: int = 0
    confidence: float = 0.0  # largest probability
    entropy: float = 0.0  # smallest of a row, in nats
    digest: str = ""
    metrics: tuple[str, ...] = ()


_RELEASE = TypeAdapter(Release)


def describe(uplink: Uplink) -> Release:
    """Return the ledger's entry for an uplink."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    metrics = tuple(sorted(uplink.metrics))
    block = uplink.contribution
    if block is None:
        return Release(now, uplink.federation_id, uplink.round, metrics=metrics)
    confidence, entropy = extremes(block)
    size = nbytes(block.predictions)
    digest = uplink.digest.hex()
    return Release(
        now, uplink.federation_id, uplink.round, block.kind, len(block.rows), size, confidence, entropy, digest, metrics
    )


class Ledger:
    """One client's ledger, a file of JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ledger.jsonl"

    def write(self, release: Release) -> None:
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

    def read(self) -> Iterator[Release]:
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
