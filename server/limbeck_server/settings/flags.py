"""Nested settings as text: by dotted key, and as flags of a command."""

import json
from collections.abc import Mapping


def as_pairs(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return nested settings by dotted key, each value as text that is read as TOML. None is left out.

    >>> as_pairs({"round": {"time": {"max": 60}}, "data_dir": None})
    {'round.time.max': '60'}
    """
    pairs: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            pairs |= as_pairs(value, f"{prefix}{key}.")
        elif value is not None:
            pairs[f"{prefix}{key}"] = json.dumps(value, default=str)
    return pairs


def as_flags(tree: Mapping[str, object]) -> list[str]:
    """Return nested settings as `--set KEY=VALUE` arguments. None is left out: it is the default.

    >>> as_flags({"round": {"extensions": 2}})
    ['--set', 'round.extensions=2']
    """
    return [word for key, value in as_pairs(tree).items() for word in ("--set", f"{key}={value}")]
