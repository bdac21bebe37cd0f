"""How much of the disk is kept for the journal."""

import shutil
from pathlib import Path

from limbeck_common.core.errors import StoreFullError

RESERVE_BYTES = 32 << 20  # of the disk: uplinks are refused before the journal can no longer be written


def check_disk(folder: Path, size: int) -> None:
    """Raise StoreFullError unless the disk of `folder` has room for `size` more bytes beside the reserve."""
    free = shutil.disk_usage(folder).free
    if free < size + RESERVE_BYTES:
        raise StoreFullError(
            f"the server's disk has {free} bytes left",
            expected=f"{size + RESERVE_BYTES}",
            remedy="try again when its operator has made room",
        )
