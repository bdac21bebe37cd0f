"""The owner's review_queue: under `--review` an uplink lies here until its owner lets it go or keeps it back.

Two small files, replaced whole, so that an uplink and the word about it outlive either program: `held.json` says what
would leave, `word.json` what the owner said last. A word is about one uplink, which its digest names.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from limbeck_client.privacy.release_log import ReleaseRecord, describe, name_of, read_release
from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import Uplink
from limbeck_common.support.disk import put, writing

_log = structlog.get_logger()


@dataclass
class ReviewQueue:
    """One client's. Where it does not ask, all that was not refused leaves."""

    folder: Path
    asks: bool = False
    _lying: Uplink | None = field(default=None, init=False)

    def look(self, uplink: Uplink) -> bool | None:
        """Return the owner's word about an uplink; None: none yet, so it is held, and the log has said so once."""
        word = self._read("word.json")
        if word.get("about") == list(name_of(uplink)):
            return bool(word["leaves"])
        if not self.asks or word.get("all") == uplink.federation_id:
            return True
        if self._lying is not uplink:
            self._lying = uplink
            self._write("held.json", asdict(describe(uplink)))
            _log.warning(
                "held until its owner approves",
                client=uplink.client,
                round=uplink.round,
                look=f"limbeck-client review {self.folder.absolute()}",
                then=f"limbeck-client approve {self.folder.absolute()} --round {uplink.round}",
            )
        return None

    def clear(self) -> None:
        """Nothing is held any more: it has left, was refused, or its round is over."""
        self._lying = None
        (self.folder / "held.json").unlink(missing_ok=True)

    def held(self) -> ReleaseRecord:
        """Return what is held. Raises SettingsError where nothing is."""
        fields = self._read("held.json")
        if not fields:
            raise SettingsError(
                f"nothing is held in {self.folder}",
                expected="the state folder of a client that joined with --review and has done a round's work",
            )
        return read_release(fields)

    def approve(self, number: int | None = None, *, every: bool = False) -> ReleaseRecord:
        """Let go what is held, with `every` all that follows in its federation, too. Return what is held.

        Raises:
            SettingsError: nothing is held, or an uplink of another round than `number`.
        """
        release = self.held()
        if number not in {None, release.round}:
            raise SettingsError(
                f"round {number} is over, round {release.round} is held", remedy=f"limbeck-client review {self.folder}"
            )
        self._say(release, leaves=True, every=release.federation_id if every else "")
        return release

    def refuse(self) -> ReleaseRecord | None:
        """Keep back what is held, and return it. An approval of all that follows ends; None where only that was."""
        word = self._read("word.json")
        if word.get("all") and not (self.folder / "held.json").exists():
            self._put_word(word | {"all": ""})
            return None
        release = self.held()
        self._say(release, leaves=False, every="")
        return release

    def _say(self, release: ReleaseRecord, *, leaves: bool, every: str) -> None:
        about = [release.federation_id, release.round, release.digest]
        self._put_word({"about": about, "leaves": leaves, "all": every})

    def _put_word(self, word: dict[str, Any]) -> None:
        with writing(self.folder, "STATE"):
            self._write("word.json", word)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(
                f"{self.folder / name}: {error}", expected="what limbeck-client wrote there", remedy="remove the file"
            ) from error

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        put(self.folder / name, json.dumps(fields).encode())
