"""The numbers of tests in tests/README.md: a row per harness, `| [NAME](PATH) | COUNT | ...`."""

import re
from collections import Counter
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_ROW = re.compile(r"(?<=^\| \[)(?P<path>[\w/.]+)\]\((?P=path)\) \| (?P<count>\d+)(?= \|)", re.MULTILINE)


def out_of_date(tests: Counter[str]) -> list[str]:
    """Return a line for each row whose number is not that of the tests, which are counted by file."""
    return [
        f"tests/README.md says {match['count']} tests for {match['path']}, of which there are {_count(match, tests)}"
        for match in _ROW.finditer(README.read_text())
        if int(match["count"]) != _count(match, tests)
    ]


def write(tests: Counter[str]) -> None:
    """Correct the numbers."""
    text = _ROW.sub(
        lambda match: f"{match['path']}]({match['path']}) | {_count(match, tests)}",
        README.read_text(),
    )
    README.write_text(text)


def _count(row: re.Match[str], tests: Counter[str]) -> int:
    path = f"tests/{row['path']}"
    return sum(count for file, count in tests.items() if file == path or file.startswith(f"{path}/"))
