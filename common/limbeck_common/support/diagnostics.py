"""What both `doctor` commands share: findings, one line each, and the checks of this machine."""

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from limbeck_common.core.errors import LimbeckError

_OLDEST = (3, 11)
_LOW_DISK = 1 << 30
_NO_DISK = 1 << 26
_SLOW_FLUSH = 0.1  # seconds


class Level(StrEnum):
    """How bad a finding is. With a FAIL the program would not run."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line: what was found, and what to do about it."""

    level: Level
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.said}" + (f"; {self.remedy}" if self.remedy else "")


def as_json(finding: Finding) -> str:
    """Return a finding as one line of JSON: `level`, `said` and `remedy`.

    >>> as_json(Finding(Level.OK, "127.0.0.1:50051 is free"))
    '{"level": "OK", "said": "127.0.0.1:50051 is free", "remedy": ""}'
    """
    return json.dumps(asdict(finding))


def show(findings: Iterable[Finding], say: Callable[[str], None], form: Callable[[Finding], str] = str) -> int:
    """Print each finding with `say` as it comes, and return the exit status: 1 if any is a FAIL, else 0."""
    failed = False
    for finding in findings:
        say(form(finding))
        failed = failed or finding.level is Level.FAIL
    return int(failed)


def failure(what: str, error: Exception) -> Finding:
    """Return an error as a finding of level FAIL; `what` names the thing that was checked."""
    if isinstance(error, LimbeckError):
        remedy = [f"expected {error.expected}"] if error.expected else []
        return Finding(
            Level.FAIL, f"{what}: {error.wrong}", "; ".join([*remedy, *([error.remedy] * bool(error.remedy))])
        )
    return Finding(Level.FAIL, f"{what}: {type(error).__name__}: {' '.join(str(error).split())}")


def check_versions(packages: Iterable[str]) -> Iterator[Finding]:
    """Check the version of Python, and that the packages are installed."""
    level = Level.OK if sys.version_info >= _OLDEST else Level.FAIL
    wanted = ".".join(map(str, _OLDEST))
    remedy = "" if level is Level.OK else f"install Python {wanted} or newer"
    yield Finding(level, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", remedy)
    found = []
    for name in ("limbeck", *packages):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(Level.FAIL, f"package {name} is not installed", f"pip install {name}")
    yield Finding(Level.OK, "packages: " + ", ".join(found))


def check_folder(what: str, folder: Path) -> Iterator[Finding]:
    """Write, flush and delete a small file where `folder` is or would be created, and check the space left."""
    place = folder.absolute()
    try:
        while not place.exists():
            place = place.parent
        with tempfile.NamedTemporaryFile(dir=place) as file:
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took = time.perf_counter() - began
    except OSError as error:
        remedy = "let this user write there, or name another folder"
        yield Finding(Level.FAIL, f"{what} {folder}: cannot write in {place}: {error.strerror}", remedy)
        return
    slow = took > _SLOW_FLUSH
    said = f"{what} {folder}: writable, flushing a file to the disk takes {1e3 * took:.1f} ms"
    yield Finding(Level.WARN if slow else Level.OK, said, "every receipt waits for that: name a faster disk" * slow)
    free = shutil.disk_usage(place).free
    level = Level.FAIL if free < _NO_DISK else Level.WARN if free < _LOW_DISK else Level.OK
    yield Finding(level, f"{what} {folder}: {free / 1e9:.1f} GB free", "free some space" * (level is not Level.OK))
