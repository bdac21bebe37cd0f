"""A client's checkpoint: the participant as it was after its last finished round, and the uplink that it made there.

Both are in one file, which is replaced whole before the uplink is pushed: a client that is killed at any instant goes
on from there, and no finished training is done again. The file is a SHA-256 digest, then safetensors. A damaged file,
or one of another federation, is set aside under another name: neither loaded nor deleted.
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
    """The file `state` in one client's state folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "state"

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; the new one is on the disk once this returns.

        Raises:
            OSError: it cannot be written; the one before is still there.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        message = write_message(*encode_uplink(checkpoint.uplink))
        tensors = {_PARTICIPANT + name: np.ascontiguousarray(value) for name, value in checkpoint.participant.items()}
        tensors[_UPLINK] = np.frombuffer(message, np.uint8)
        content = save(tensors)
        put(self._file, hashlib.sha256(content).digest(), content)

    def load(self, federation_id: str, open_rows: int) -> Checkpoint | None:
        """Return this federation's checkpoint, whose open set has `open_rows` rows; None where there is none.

        Raises:
            OSError: the file cannot be read, or not be set aside.
        """
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return None
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            self._set_aside("damaged", "its content does not have the digest in front of it")
            return None
        try:
            tensors = load(content)
            message = tensors.pop(_UPLINK).tobytes()
            uplink = decode_uplink(*read_message(message, federation_pb2.Uplink()), open_rows)
        except (SafetensorError, KeyError, RefusalError) as error:
            self._set_aside("foreign", f"it is not a client's checkpoint: {error}")
            return None
        if uplink.federation_id != federation_id:
            self._set_aside(_file_name(uplink.federation_id), f"it belongs to federation {uplink.federation_id}")
            return None
        return Checkpoint({name.removeprefix(_PARTICIPANT): value for name, value in tensors.items()}, uplink)

    def _set_aside(self, label: str, why: str) -> None:
        number = 1
        while (aside := self._file.with_name(f"state.{label}.{number}")).exists():
            number += 1
        self._file.rename(aside)
        _log.warning("the checkpoint was set aside", why=why, now=str(aside))


def _file_name(federation_id: str) -> str:
    """Return a name, which the server chose, with nothing in it that a file's name cannot hold."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", federation_id[:64])
