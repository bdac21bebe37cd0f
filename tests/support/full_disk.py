"""A disk without room, on any Linux machine."""

from pathlib import Path, PosixPath


class FullDisk(PosixPath):
    """A folder in which every file stands for the device that is always full."""

    def __truediv__(self, name: str) -> Path:  # type: ignore[override]
        path = Path(self, name)
        path.symlink_to("/dev/full")
        return path


def full_disk(folder: Path) -> FullDisk:
    """Make such a folder."""
    folder.mkdir()
    return FullDisk(folder)
