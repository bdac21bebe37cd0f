"""What an audit finds in a store that processes have left."""

from pathlib import Path

from limbeck_server.audit.audit import audit
from limbeck_server.audit.reader import Archive


def damage(folder: Path) -> list[str]:
    archive = Archive(folder)
    try:
        return [wrong for verdict in audit(archive) for wrong in verdict.damage]
    finally:
        archive.close()
