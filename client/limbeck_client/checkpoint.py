"""What a client keeps on its disk: the participant as it was after its last round, and the uplink that it made there.

Both are in one file, replaced whole before the uplink is pushed: a client that is killed anywhere goes on from
it, and a finished training is never done again. The file is safetensors with a checksum; a torn one, or one of another
federation, is set aside under another name, not loaded and not deleted.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from safetensors import SafetensorError
from safetensors.numpy import load, save

from limbeck_common.core.errors import RefusalError
from limbeck_common.core.messages import Uplink
from limbeck_common.learning.learner import LearnerState
from limbeck_common.support.disk import put
from limbeck_common.wire.codec import decode_uplink, encode_uplink, read_message, write_message
from limbeck_common.wire.v1 import federation_pb2

_UPLINK = "uplink"
_PARTICIPANT = "participant."
_DIGEST_BYTES = 32
_log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A participant's state after a round, and the uplink of that round."""

    participant: LearnerState
    uplink: Uplink


class CheckpointFile:
    """One client's folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "state"
        self._folder = folder

    def keep(self, kept: Checkpoint) -> None:
        """Replace what was kept before; on the disk once this returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        message = write_message(*encode_uplink(kept.uplink))
        tensors = {_PARTICIPANT + name: np.ascontiguousarray(value) for name, value in kept.participant.items()}
        tensors[_UPLINK] = np.frombuffer(message, np.uint8)
        content = save(tensors)
        put(self._file, hashlib.sha256(content).digest(), content)

    def load(self, federation_id: str, open_rows: int) -> Checkpoint | None:
        """Return what was kept for this federation; None where there is nothing of use."""
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return None
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            self._set_aside("torn", "it is torn or damaged")
            return None
        try:
            tensors = load(content)
            message = tensors.pop(_UPLINK).tobytes()
            uplink = decode_uplink(*read_message(message, federation_pb2.Uplink()), open_rows)
        except (SafetensorError, KeyError, RefusalError) as error:
            self._set_aside("foreign", f"it is no state of a client: {error}")
            return None
        if uplink.federation_id != federation_id:
            self._set_aside(_plain(uplink.federation_id), f"it belongs to federation {uplink.federation_id}")
            return None
        return Checkpoint({name.removeprefix(_PARTICIPANT): value for name, value in tensors.items()}, uplink)

    def _set_aside(self, label: str, why: str) -> None:
        number = 1
        while (aside := self._file.with_name(f"state.{label}.{number}")).exists():
            number += 1
        self._file.rename(aside)
        _log.warning("the kept state is set aside", why=why, now=str(aside))


def _plain(federation_id: str) -> str:
    """Return a server's word in a form that a file's name can hold."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", federation_id[:64])
