"""What an audit finds in a store that processes have left."""

from pathlib import Path

from limbeck_server.archive import Archive
from limbeck_server.audit import audit


def damage(folder: Path) -> list[str]:
    archive = Archive(folder)
    try:
        return [wrong for verdict in audit(archive) for wrong in verdict.damage]
    finally:
        archive.close()
