"""An extension of griffe, which reads the docstrings for the site: examples are shown as code."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"((?:^>>> .*\n?)(?:^(?!\s*$).*\n?)*)", re.MULTILINE)


class ExamplesAsCode(griffe.Extension):
    """Fences each example: a line that begins with >>>, and what follows it up to an empty line."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the examples in one object's docstring."""
        if obj.docstring is not None and ">>> " in obj.docstring.value:
            obj.docstring.value = _EXAMPLE.sub(
                lambda match: f"```pycon\n{match[1].rstrip()}\n```\n", obj.docstring.value
            )
