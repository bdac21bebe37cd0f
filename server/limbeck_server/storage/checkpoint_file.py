"""The file `checkpoint.json` beside a journal: what its first facts add up to, and the chain's value after them.

It saves time and nothing else, so it may be deleted. A backup leaves it out.
"""

import json
from collections.abc import Callable
from pathlib import Path

import structlog

from limbeck_common.support.disk import put
from limbeck_server.storage.protocols import Checkpoint

FILE = "checkpoint.json"
_log = structlog.get_logger()


def write(folder: Path, checkpoint: Checkpoint, chain: str) -> None:
    """Replace the file, at once and durably; `chain` is the chain's value at the checkpoint's last fact."""
    put(folder / FILE, json.dumps({"chain": chain} | checkpoint._asdict()).encode())


def read(folder: Path, chain_of: Callable[[int], str]) -> Checkpoint | None:
    """Return the checkpoint, or None where there is none, or one of another journal: `chain_of` a fact says which."""
    try:
        found = json.loads((folder / FILE).read_bytes())
        checkpoint = Checkpoint(int(found["facts"]), str(found["text"]))
        if found["chain"] and found["chain"] == chain_of(checkpoint.facts):
            return checkpoint
        _log.warning("the checkpoint belongs to another journal; all facts are replayed", folder=str(folder))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the checkpoint cannot be read; all facts are replayed", folder=str(folder), error=str(error))
    return None
