"""The files of torchvision's data sets: read from a folder, downloaded where they are missing."""

import socket
import tempfile
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from limbeck_common.core.errors import DataError
from limbeck_common.datasets.dataset import Request, import_reader
from limbeck_common.datasets.examples import Examples

_SILENCE = 60.0  # seconds without a byte before a download is given up


def read(dataset: str, torchvision_name: str, request: Request, *, train: bool = True) -> Examples:
    """Return the rows of a torchvision data set, x [rows, channels, height, width], to train or to test on.

    Raises:
        DataError: torchvision is not installed, or the files are missing or damaged.
    """
    kind, folder = getattr(import_reader("torchvision.datasets", dataset, "torch"), torchvision_name), request.folder
    try:
        found = _open(kind, request, train=train)
        x, y = np.asarray(found.data), np.asarray(found.targets, dtype=np.int64)
        x = x.reshape(*x.shape[:3], -1)  # [rows, height, width, channels]; grey images come without channels
        return Examples(np.ascontiguousarray(np.moveaxis(x, -1, 1)), y)
    except (RuntimeError, OSError, ValueError, TypeError, AssertionError, HTTPException, DataError) as error:
        reason = " ".join(str(error).split()).partition(". You can use")[0]  # the rest addresses torchvision's callers
        home = folder / getattr(kind, "base_folder", f"{kind.__name__}/raw")
        raise DataError(
            f"{kind.__name__} cannot be read from {folder}: {reason}",
            expected=f"torchvision's files of it in {home}",
            remedy="put them there, or name the folder that holds them with --data-dir or LIMBECK_DATA",
        ) from error


def _open(kind: Any, request: Request, *, train: bool) -> Any:
    try:
        return kind(request.folder, train=train)
    except RuntimeError as error:
        if not request.download or "not found" not in str(error):
            raise
    _download(kind, request.folder)
    return kind(request.folder, train=train)


def _download(kind: Any, folder: Path) -> None:
    """Download into a folder beside the target, then move each file in whole: other participants may read there."""
    folder.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)  # torchvision sets none, and would wait forever on a silent network
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as fresh:
            kind(fresh, download=True)
            for file in Path(fresh).rglob("*"):
                if file.is_file() and file.suffix != ".gz":
                    place = folder / file.relative_to(fresh)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(place)
    finally:
        socket.setdefaulttimeout(before)
