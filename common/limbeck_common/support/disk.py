"""Files that survive a crash, and folders that one process at a time uses."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from limbeck_common.core.errors import SettingsError


def flush(path: Path) -> None:
    """Force the content of a file, or the names in a folder, to the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, *parts: bytes, secret: bool = False) -> None:
    """Replace a file as a whole; its content and name are on the disk once this returns.

    `secret`: only its owner can read the file.

    Raises:
        OSError: the file cannot be written; the former one is still there.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == 0:  # a command run by root, beside a daemon that runs as the folder's owner
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush(path.parent)  # the new name, too


def take(path: Path, who: str = "daemon", flag: str = "--store") -> TextIO:
    """Lock a folder for this process, by the file `path` in it; the lock ends with the process, however that ends.

    `who` names the kind of process that uses such folders, and `flag` the option that chooses another folder.

    Raises:
        SettingsError: another process holds the lock, or the folder cannot be written to.
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
    """Turn an OSError into one line about `place`, which the option `flag` chooses.

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
    """Create a folder if it does not exist, and make sure that files can be written to it.

    Raises:
        SettingsError: they cannot; the option `flag` chooses another folder.
    """
    with writing(folder, flag):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
