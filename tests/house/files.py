"""The files that the house is made of, as git knows them."""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "common": "common/limbeck_common",
    "server": "server/limbeck_server",
    "client": "client/limbeck_client",
    "lab": "lab/limbeck_lab",
}
_GENERATED = "common/limbeck_common/wire/v1/"
_PROSE = {".md", ".toml", ".proto", ".j2", ".yaml", ".service"}


@dataclass(frozen=True)
class File:
    """A hand-written file: `path` from the root."""

    path: PurePosixPath

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text()

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def folder(self) -> str:
        return str(self.path.parent)


@cache
def files() -> tuple[File, ...]:
    """Return every hand-written file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the git on the path
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return tuple(
        File(PurePosixPath(line))
        for line in sorted(set(listed))
        if not line.startswith(_GENERATED) and (ROOT / line).is_file()
    )


def product(package: str | None = None) -> list[File]:
    """Return the Python modules of a package; of all packages with None."""
    folders = [PACKAGES[package]] if package else list(PACKAGES.values())
    return [file for file in files() if file.path.suffix == ".py" and _within(file, folders)]


def tests() -> list[File]:
    """Return the Python files of the tests."""
    return [file for file in files() if file.path.suffix == ".py" and _within(file, ["tests"])]


def documents() -> list[File]:
    """Return what people read that is no Python: pages, protocol files, templates, example settings."""
    return [file for file in files() if file.path.suffix in _PROSE or file.path.name == "Dockerfile"]


def _within(file: File, folders: list[str]) -> bool:
    return any(str(file.path).startswith(f"{folder}/") for folder in folders)
