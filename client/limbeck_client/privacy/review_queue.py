"""The review queue: under `--review` an uplink is held here until its owner approves or refuses it.

Two small files, each replaced whole, outlive the client and the owner's command: `held.json` describes the uplink that
would leave, `decision.json` holds the owner's last decision. A decision is about one uplink, which its digest names.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from limbeck_client.privacy.release_log import ReleaseRecord, describe, read_record, uplink_key
from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import Uplink
from limbeck_common.support.disk import put, writing

_HELD = "held.json"
_DECISION = "decision.json"
_log = structlog.get_logger()


@dataclass
class ReviewQueue:
    """One client's review queue, in its state folder. Without `asks`, all that was not refused leaves."""

    folder: Path
    asks: bool = False
    _held: Uplink | None = field(default=None, init=False)

    def look(self, uplink: Uplink) -> bool | None:
        """Return the owner's decision about an uplink; None: none yet, so the uplink is held, which is logged once."""
        decision = self._read(_DECISION)
        if decision.get("about") == list(uplink_key(uplink)):
            return bool(decision["leaves"])
        if not self.asks or decision.get("all") == uplink.federation_id:
            return True
        if self._held is not uplink:
            self._held = uplink
            self._write(_HELD, asdict(describe(uplink)))
            _log.warning(
                "held until its owner approves",
                client=uplink.client,
                round=uplink.round,
                look=f"limbeck-client review {self.folder.absolute()}",
                then=f"limbeck-client approve {self.folder.absolute()} --round {uplink.round}",
            )
        return None

    def clear(self) -> None:
        """Hold nothing any more: the uplink has left or was refused, or its round is over."""
        self._held = None
        (self.folder / _HELD).unlink(missing_ok=True)

    def held(self) -> ReleaseRecord:
        """Return the record of the uplink that is held.

        Raises:
            SettingsError: none is held, or the file cannot be read.
        """
        fields = self._read(_HELD)
        if not fields:
            raise SettingsError(
                f"nothing is held in {self.folder}",
                expected="the state folder of a client that joined with --review and has done a round's work",
            )
        try:
            return read_record(json.dumps(fields).encode())
        except ValidationError as error:
            raise _foreign(self.folder / _HELD, error.errors()[0]["msg"]) from error

    def approve(self, number: int | None = None, *, every: bool = False) -> ReleaseRecord:
        """Let the held uplink leave; with `every`, also all that follow in its federation. Return its record.

        Raises:
            SettingsError: none is held, or one of another round than `number`.
        """
        record = self.held()
        if number is not None and number != record.round:
            when = "is over" if number < record.round else "has not begun"
            raise SettingsError(
                f"round {number} {when}; round {record.round} is held",
                remedy=f"limbeck-client review {self.folder}",
            )
        self._decide(record, leaves=True, every=record.federation_id if every else "")
        return record

    def refuse(self) -> ReleaseRecord | None:
        """Keep the held uplink back, and return its record. An approval in advance ends.

        Returns None where nothing is held and there was only such an approval to end.

        Raises:
            SettingsError: there is neither.
        """
        decision = self._read(_DECISION)
        if decision.get("all") and not (self.folder / _HELD).exists():
            self._write_decision(decision | {"all": ""})
            return None
        record = self.held()
        self._decide(record, leaves=False, every="")
        return record

    def _decide(self, record: ReleaseRecord, *, leaves: bool, every: str) -> None:
        self._write_decision({"about": list(record.key), "leaves": leaves, "all": every})

    def _write_decision(self, decision: dict[str, Any]) -> None:
        with writing(self.folder, "STATE"):
            self._write(_DECISION, decision)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise _foreign(self.folder / name, error) from error

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        put(self.folder / name, json.dumps(fields).encode())


def _foreign(file: Path, why: object) -> SettingsError:
    return SettingsError(f"{file}: {why}", expected="what limbeck-client wrote there", remedy="remove that file")
