"""What docs/glossary.md says: the words that are defined, and the retired ones with what to say now."""

import re
from collections import defaultdict
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
WHERE = ("anywhere", "name", "exactly", "file")
_DEFINED = re.compile(r"^\*\*(.+?)\.\*\* ", re.MULTILINE)
_ROW = re.compile(r"^\| (.+?) \| (\w+) \| (.+?) \|$", re.MULTILINE)


def defined() -> list[str]:
    """Return the defined words, in the page's order."""
    return _DEFINED.findall(_halves()[0])


def retired() -> dict[str, dict[str, str]]:
    """Return, for each place in `WHERE`, the words that must not stand there, with what to say now."""
    words: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for left, where, now in _ROW.findall(_halves()[1]):
        if where in WHERE:
            words[where] |= dict.fromkeys(left.replace("`", "").split(", "), now)
    return dict(words)


def _halves() -> tuple[str, str]:
    before, after = PAGE.read_text().split("## Retired words\n")
    return before, after
