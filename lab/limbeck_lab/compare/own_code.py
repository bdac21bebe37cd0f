"""The user's own code behind a run, by its content: a run made with other code is no run of this comparison."""

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from limbeck_common.support.disk import put
from limbeck_common.support.plugins import is_plugin, search_working_folder

FILE = "own-code.sha256"


def own_code(names: Iterable[str | None]) -> str:
    """Return the SHA-256 (hexadecimal) of the files that `names`, those of the form module:attribute, come from.

    It is empty where there is no such name. What the files import is not looked at.
    """
    files = sorted({file for name in names if name and is_plugin(name) and (file := _file(name)) is not None})
    if not files:
        return ""
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def write(run: Path, code: str) -> None:
    """Note in a run's folder which code it is run with."""
    run.mkdir(parents=True, exist_ok=True)
    put(run / FILE, code.encode())


def is_changed(run: Path, code: str) -> bool:
    """Say whether a run was made with other code; no if it did not note its code."""
    noted = run / FILE
    return noted.exists() and noted.read_text() != code


def _file(name: str) -> Path | None:
    search_working_folder()  # as where the name is loaded
    try:
        found = importlib.util.find_spec(name.partition(":")[0])
    except (ImportError, ValueError):
        return None  # said in full where it is loaded
    return Path(found.origin) if found is not None and found.has_location and found.origin else None
