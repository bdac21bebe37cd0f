"""A run's page, report.html: one file that holds everything it shows and asks nobody for anything."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from limbeck_common.core.errors import DataError
from limbeck_lab.report import table


def write_page(run: Path, template: str, **content: Any) -> Path:
    """Write `report.html` into the run folder from a template beside this file, and return its path."""
    environment = Environment(
        loader=PackageLoader("limbeck_lab.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": table.percent,
        "points": table.points,
        "bytes": table.human_bytes,
        "duration": table.duration,
    }
    path = run / "report.html"
    path.write_text(environment.get_template(template).render(**content), encoding="utf-8")
    return path


def read_settings(path: Path) -> dict[str, Any]:
    """Return what settings.json holds.

    Raises:
        DataError: it is missing, or holds something else than a JSON object.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing", expected="a run folder with its settings") from None
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path} holds a {type(settings).__name__}", expected="a JSON object")
    return settings


def text_at(settings: Any, *keys: str) -> str | None:
    """Return the text at the end of a path of keys, if there is one."""
    for key in keys:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings if isinstance(settings, str) and settings else None
