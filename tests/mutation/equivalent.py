"""The changes that are known to change nothing, from equivalent.txt."""

import re
from pathlib import Path

FILE = Path(__file__).with_name("equivalent.txt")
_LINE = re.compile(r"(?P<path>\S+) (?P<function>\S*): `(?P<was>.+?)` -> `(?P<becomes>.+?)`: (?P<reason>.+)")


def equivalents() -> dict[tuple[str, str, str, str], str]:
    """Return the reasons by the mutants' keys.

    Raises:
        ValueError: a line that cannot be read.
    """
    reasons = {}
    for number, line in enumerate(FILE.read_text().splitlines(), start=1):
        if line and not line.startswith("#"):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"{FILE.name}, line {number}; expected PATH FUNCTION: `WAS` -> `BECOMES`: REASON")
            path, function, was, becomes, reason = match.groups()
            reasons[path, function, was, becomes] = reason
    return reasons
