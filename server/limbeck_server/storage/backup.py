"""Copies of a store: taken also while a daemon works in it, and brought back into a new folder."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.support.disk import flush, writing
from limbeck_server.events import Restored, link
from limbeck_server.storage import database
from limbeck_server.storage.protocols import DamageError
from limbeck_server.storage.sqlite_reader import SqliteReader

_PART = f"{database.JOURNAL}.part"  # a journal until it is complete
_TRIES = 5  # uplinks may be deleted while their files are copied


@dataclass(frozen=True)
class Copied:
    """What a copy holds."""

    facts: int
    blocks: int
    head: str  # the chain's last value, hexadecimal


def backup(store: Path, out: Path) -> Copied:
    """Copy a store into the empty or new folder `out`, as of one moment, also while a daemon works in it.

    The copy is read as a whole before this returns.

    Raises:
        SettingsError: `store` is no store, or `out` is not empty or cannot be written to.
        DataError: `store` is damaged.
    """
    with _new_folder(out, "OUT"):
        _copy(store, out)
        (out / _PART).rename(out / database.JOURNAL)
        flush(out)
        return _check(out)


def restore(copy: Path, store: Path) -> tuple[Copied, int]:
    """Copy a backup into the empty or new folder `store`, and return what it holds and its epoch.

    The fact `Restored` is added: clients that know of later rounds then count anew from the backup's.

    Raises:
        SettingsError: `copy` is no backup, or `store` is not empty or cannot be written to.
        DataError: `copy` is damaged.
    """
    if not (copy / database.JOURNAL).exists():
        raise SettingsError(f"there is no backup in {copy}", expected="a folder that limbeck-server backup made")
    with _new_folder(store, "--store"):
        _copy(copy, store)
        epoch = _begin_epoch(store / _PART)
        (store / _PART).rename(store / database.JOURNAL)
        flush(store)
        return _check(store), epoch


@contextmanager
def _new_folder(folder: Path, flag: str) -> Iterator[None]:
    """Make a folder to copy into; it is left as it was found if that fails."""
    with writing(folder, flag):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SettingsError(f"{folder} is not empty", expected="a new folder", remedy=f"name another with {flag}")
        try:
            yield
        except BaseException:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if made:
                folder.rmdir()
            raise


def _copy(source: Path, folder: Path) -> None:
    """Copy a store's blocks into `folder`, and its journal under the name `_PART`."""
    blocks = folder / database.FOLDER
    blocks.mkdir()
    reader = SqliteReader(source, beside=True)
    try:
        for _ in range(_TRIES):
            reader.copy(folder / _PART)
            if _copy_files(source / database.FOLDER, blocks, _files(folder / _PART)):
                return
        raise DataError(
            f"{source} lacks files that its journal names", remedy=f"see: limbeck-server audit --store {source}"
        )
    except DamageError as error:
        raise DataError(
            f"{source} cannot be copied: {error.wrong}", remedy=f"see: limbeck-server audit --store {source}"
        ) from error
    finally:
        reader.close()


def _files(journal: Path) -> set[str]:
    engine = database.open_to_read(journal, immutable=True)
    try:
        with engine.connect() as connection:
            return database.files(connection)
    finally:
        engine.dispose()


def _copy_files(source: Path, folder: Path, names: set[str]) -> bool:
    """Have exactly the named files in `folder`; return whether all of them were there to be copied.

    A file never changes once a journal names it, so one that an earlier try has copied is good.
    """
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
    for name in sorted(names):
        path = folder / name
        if path.exists():
            continue
        try:
            shutil.copyfile(source / name, path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False
        flush(path)
    flush(folder)
    return True


def _begin_epoch(journal: Path) -> int:
    """Add the fact that a journal was restored, and return its epoch: how often it was, plus 1."""
    try:
        engine = database.open_to_write(journal)
        try:
            with engine.begin() as connection:
                facts = database.read_facts(connection)
                epoch = max((fact.epoch for fact in facts if isinstance(fact, Restored)), default=1) + 1
                restored = Restored(at=time.time(), epoch=epoch)
                database.append(connection, database.read_head(connection), [restored])
        finally:
            engine.dispose()
    except (sa.exc.DatabaseError, ValueError) as error:
        remedy = "see what limbeck-server audit says of the backup"
        raise DataError(f"the backup is damaged: {database.describe(error)}", remedy=remedy) from error
    return epoch


def _check(folder: Path) -> Copied:
    """Read a whole store. Raises DataError where anything in it is damaged."""
    reader = SqliteReader(folder)
    try:
        if faults := reader.faults():
            raise DamageError(faults[0])
        count, head = 0, ""
        for number, line, chain in reader.facts():
            count, head = count + 1, link(head, line)
            if (number, chain) != (count, head):
                raise DamageError(f"fact {number} is not what was written there")
        keys = reader.keys()
        for key in keys:
            reader.check(key)
    except (DamageError, DataError) as error:
        remedy = "see what limbeck-server audit says of the store that was copied"
        raise DataError(f"the copy is damaged: {error.wrong}", remedy=remedy) from error
    finally:
        reader.close()
    return Copied(count, len(keys), head)
