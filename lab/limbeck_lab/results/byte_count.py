"""Bytes in both directions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ByteCount:
    """Bytes sent to the server (`up`) and received from it (`down`), by one client or by all of them.

    >>> ByteCount(10, 20) + ByteCount(up=1)
    ByteCount(up=11, down=20)
    """

    up: int = 0
    down: int = 0

    def __add__(self, other: "ByteCount") -> "ByteCount":
        return ByteCount(self.up + other.up, self.down + other.down)

    def __sub__(self, other: "ByteCount") -> "ByteCount":
        return ByteCount(self.up - other.up, self.down - other.down)

    @property
    def total(self) -> int:
        """Both directions together."""
        return self.up + self.down
