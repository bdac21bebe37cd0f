"""What an audit finds in a store that processes have left."""

from pathlib import Path

from limbeck_server.audit.audit import audit
from limbeck_server.audit.reader import StoreReader


def damage(folder: Path) -> list[str]:
    reader = StoreReader(folder)
    try:
        return [wrong for verdict in audit(reader) for wrong in verdict.damage]
    finally:
        reader.close()
