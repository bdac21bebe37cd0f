"""A hook of mkdocs: links that leave docs/, to source files, lead to the repository."""

import posixpath
import re
from typing import Any

_OUTWARD = re.compile(r"\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: object) -> str:
    """Return a page whose links to source files are addresses."""

    def address(match: re.Match[str]) -> str:
        return f"]({config.repo_url}/blob/main/{posixpath.normpath(posixpath.join('docs', match[1]))})"

    return _OUTWARD.sub(address, markdown)
