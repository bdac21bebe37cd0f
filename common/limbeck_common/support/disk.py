"""Folders and files: usable, ours alone, on the disk for sure."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from limbeck_common.core.errors import SettingsError


def flush(path: Path) -> None:
    """Force the content of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, *parts: bytes, secret: bool = False) -> None:
    """Put a whole file in the place of what was there, on the disk once this returns; `secret`: for its owner alone.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == 0:  # root, beside a program that runs as the folder's owner
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush(path.parent)  # the new name, too


def take(path: Path, who: str = "daemon", flag: str = "--store") -> TextIO:
    """Lock a folder for this process; the lock goes with the process, however it ends.

    Raises:
        SettingsError: another process, `who`, has it, or it cannot be written to; `flag` names another folder.
    """
    with writing(path.parent, flag):
        file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SettingsError(
            f"another {who} works in {path.parent}", remedy=f"stop it, or name another folder with {flag}"
        ) from error
    return file


@contextmanager
def writing(place: Path, flag: str) -> Iterator[None]:
    """Say in one line what keeps us from writing to `place`, which `flag` names.

    Raises:
        SettingsError: there was an OSError.
    """
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"cannot write to {place}: {error.strerror or error}",
            expected="a folder that this user can write to, with room in it",
            remedy=f"name another with {flag}",
        ) from error


def make_folder(folder: Path, flag: str) -> None:
    """Make a folder, if it is not there, and make sure that files can be written to it.

    Raises:
        SettingsError: they cannot; `flag` names another.
    """
    with writing(folder, flag):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
