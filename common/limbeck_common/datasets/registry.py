"""The built-in data sets, and what one participant of a federation holds of them.

    data set       rows, uint8    private rows from      open rows from         by default   test rows
    digits         [1, 8, 8]      1,437 of its 1,797     the same, disjoint            500         360
    mnist          [1, 28, 28]    60,000 to train on     the same, disjoint         10,000      10,000
    fashion_mnist  [1, 28, 28]    60,000 to train on     the same, disjoint         10,000      10,000
    cifar10        [3, 32, 32]    50,000 to train on     CIFAR-100's to train on    10,000      10,000

Ten classes each. Digits ship with scikit-learn (the test set of Alpaydin and Kaynak 1998, UCI repository), the
others are torchvision's: LeCun et al. 1998, Xiao et al. 2017 (arXiv 1708.07747), Krizhevsky 2009. CIFAR is published
as pickles, which torchvision opens only when their MD5 is the publisher's.
"""

import hashlib
import os
import socket
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.seeds import derive, splitmix64
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.partitions import partition

_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
_DIGITS_TEST = 360
_OPEN = {"digits": 500}
_OPEN_ELSEWHERE = 10_000
_SILENCE = 60.0  # seconds that a download may stand still
_SLICE = 16 << 20  # bytes that are hashed at a time


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled rows. Raises DataError where `x` and `y` do not have the same number of rows."""

    x: NDArray[Any]  # [rows, *sample_shape], uint8 or float32: the data set's own
    y: NDArray[np.int64]  # [rows]

    def __post_init__(self) -> None:
        if self.y.ndim != 1 or self.x.shape[:1] != self.y.shape:
            raise DataError(
                f"x has the shape {self.x.shape}, y has {self.y.shape}",
                expected="x [rows, ...] and y [rows], one label a row",
            )


@dataclass(frozen=True, eq=False)
class ParticipantData:
    """What one participant holds; also what a user's own `--data package.module:callable` returns."""

    private: Examples | None = None  # None: the server, which has none
    open: NDArray[Any] | None = (
        None  # [open_rows, *sample_shape], every participant's alike; None: fetch from the server
    )
    # Open rows are learned in their order: not by class, or a model forgets one while it learns the next.
    test: Examples | None = None
    open_labels: NDArray[np.int64] | None = None  # [open_rows], where the participant knows them; some methods use them


def open_digest(open_rows: NDArray[Any]) -> bytes:
    """Return the 32 bytes that name an open set [rows, ...] by its content, order and element type.

    SHA-256 of the line "limbeck-open-v1 DTYPE AxBxC", DTYPE being little-endian as NumPy writes it ("|u1", "<f4"), and
    of the elements in C order, little-endian. Strides and byte order do not count, and rows are copied a slice at a
    time, so a memory map may be larger than memory. Raises DataError for what is not an array of plain numbers.
    """
    dtype = open_rows.dtype.newbyteorder("<")
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize or open_rows.ndim == 0:
        raise DataError(
            f"open data cannot be {open_rows.dtype} of shape {open_rows.shape}",
            expected="an array [rows, ...] of booleans, integers or floats of at most 64 bits",
        )
    shape = "x".join(str(length) for length in open_rows.shape)
    digest = hashlib.sha256(f"limbeck-open-v1 {dtype.str} {shape}\n".encode())
    row_bytes = dtype.itemsize * int(np.prod(open_rows.shape[1:]))
    step = max(1, _SLICE // max(1, row_bytes))
    for start in range(0, len(open_rows), step):
        digest.update(np.ascontiguousarray(open_rows[start : start + step], dtype=dtype).data)
    return digest.digest()


def classes_of(spec: DataSpec) -> int:
    """Return the number of classes of a built-in data set. Raises DataError for data of the user's own."""
    if spec.dataset == "own":
        raise DataError(
            "the data set is the user's own",
            expected="a built-in one: digits, mnist, fashion_mnist or cifar10",
            remedy="name the data with --data package.module:callable",
        )
    return 10


def load_participant(
    spec: DataSpec, seed: int, part: int | None, root: Path | None = None, *, download: bool = True
) -> ParticipantData:
    """Return what one participant holds of a built-in data set: client `part` of `spec.parts`, or None for the server.

    Every participant derives the same open and test rows, and its own private rows, from `spec` and `seed` alone. Files
    lie in `root`, else in the folder named by LIMBECK_DATA, else in ~/.cache/limbeck, and are downloaded where missing,
    unless `download` is false. Raises DataError for files that cannot be had, too few rows, and a part out of range.
    """
    classes_of(spec)
    if part is not None and not 0 <= part < spec.parts:
        raise DataError(f"there is no part {part}", expected=f"0 to {spec.parts - 1}, as data.parts is {spec.parts}")
    folder = Path(root or os.environ.get("LIMBECK_DATA") or "~/.cache/limbeck").expanduser()
    pool, shares, drawn, labels, test = _prepare(spec, seed, folder, download=download)
    private = None if part is None else Examples(pool.x[shares[part]], pool.y[shares[part]])
    return ParticipantData(private=private, open=drawn, test=test, open_labels=labels)


@lru_cache(maxsize=2)  # a simulation asks for many parts of the same
def _prepare(
    spec: DataSpec, seed: int, folder: Path, *, download: bool
) -> tuple[Examples, list[NDArray[np.int64]], NDArray[Any], NDArray[np.int64] | None, Examples]:
    """Return the pool, each part's rows in it, the open rows, their labels (None: of no class) and the test rows."""
    try:
        if spec.dataset == "digits":
            pool, foreign, test = _digits(seed)
        else:
            pool, foreign, test = _images(spec.dataset, folder, download=download)
    except ImportError as error:
        extra = "sklearn" if spec.dataset == "digits" else "torch"
        raise DataError(f"{spec.dataset} cannot be read: {error}", remedy=f"pip install 'limbeck[{extra}]'") from error

    count = spec.open or _OPEN.get(spec.dataset, _OPEN_ELSEWHERE)
    rest = _shuffled(len(pool.y), seed, "private")
    if foreign is None:
        drawn, labels, rest = pool.x[rest[:count]], pool.y[rest[:count]], rest[count:]
        limit = f"{len(pool.y)} in all, with at least one private"
    else:
        drawn, labels = foreign[_shuffled(len(foreign), seed, "open")[:count]], None
        limit = f"{len(foreign)} open and {len(pool.y)} private"
    if len(drawn) < count or len(rest) < max(1, spec.private):
        raise DataError(
            f"{spec.dataset} has too few rows for {count} open and {spec.private or 'some'} private",
            expected=f"at most {limit}",
            remedy="lower data.open or data.private",
        )
    rest = rest[: spec.private or None]
    # For the server too: it refuses at the start what cannot be.
    shares = [rest[share] for share in partition(pool.y[rest], spec.parts, seed, spec)]
    return pool, shares, drawn, labels, test


_Source = tuple[Examples, NDArray[Any] | None, Examples]  # labelled rows to draw from, open rows from elsewhere, test


def _shuffled(rows: int, seed: int, use: str) -> NDArray[np.int64]:
    """Return 0 .. rows-1 in an order that no library's version changes: all parties must draw the same open rows."""
    return np.argsort(splitmix64(derive(seed, "data", use), rows), kind="stable").astype(np.int64)


def _digits(seed: int) -> _Source:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only who asks for digits needs scikit-learn

    pixels, labels = load_digits(return_X_y=True)
    # 0..16 becomes 0..240: learners divide any uint8 by 255, so these pixels must span the range that others do.
    x, y = (pixels * 15).astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64)
    order = _shuffled(len(y), seed, "test")
    test, pool = order[:_DIGITS_TEST], order[_DIGITS_TEST:]
    return Examples(x[pool], y[pool]), None, Examples(x[test], y[test])


def _images(dataset: str, folder: Path, *, download: bool) -> _Source:
    from torchvision import datasets  # noqa: PLC0415 - torch takes seconds to import, and a client may lack it

    kind = getattr(datasets, _TORCHVISION[dataset])
    pool, test = (_read(kind, folder, train=train, download=download) for train in (True, False))
    if dataset != "cifar10":
        return pool, None, test
    return pool, _read(datasets.CIFAR100, folder, train=True, download=download).x, test


def _read(kind: Any, folder: Path, *, train: bool, download: bool) -> Examples:
    """Return a torchvision data set's rows, x [rows, channels, height, width]; fetch its files if they are missing."""
    try:
        try:
            found = kind(folder, train=train)
        except RuntimeError as error:
            if not download or "not found" not in str(error):
                raise
            _fetch(kind, folder)
            found = kind(folder, train=train)
        x, y = np.asarray(found.data), np.asarray(found.targets, dtype=np.int64)
        x = x.reshape(*x.shape[:3], -1)  # [rows, height, width, channels]; grey images come without channels
        return Examples(np.ascontiguousarray(np.moveaxis(x, -1, 1)), y)
    except (RuntimeError, OSError, ValueError, TypeError, AssertionError, HTTPException, DataError) as error:
        reason = " ".join(str(error).split()).partition(". You can use")[0]  # torchvision's hint is for its callers
        home = folder / getattr(kind, "base_folder", f"{kind.__name__}/raw")
        raise DataError(
            f"{kind.__name__} cannot be read from {folder}: {reason}",
            expected=f"torchvision's files of it in {home}",
            remedy="put them there, or name the folder that holds them with --data-dir or LIMBECK_DATA",
        ) from error


def _fetch(kind: Any, folder: Path) -> None:
    """Download a torchvision data set beside its place, then move each file in whole: other parties may read there."""
    folder.mkdir(parents=True, exist_ok=True)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)  # torchvision sets none, and would wait for ever on a silent network
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as fresh:
            kind(fresh, download=True)
            for file in Path(fresh).rglob("*"):
                if file.is_file() and file.suffix != ".gz":
                    place = folder / file.relative_to(fresh)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(place)
    finally:
        socket.setdefaulttimeout(patience)
