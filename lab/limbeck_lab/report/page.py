"""A report page: one HTML file that holds everything it shows and loads nothing."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from limbeck_common.core.errors import DataError
from limbeck_lab import format as formats
from limbeck_lab.report.charts.colours import DARK, LIGHT


def write_page(folder: Path, template: str, **content: Any) -> Path:
    """Write `report.html` into a run's or a comparison's folder from a template, and return its path."""
    environment = Environment(
        loader=PackageLoader("limbeck_lab.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": formats.percent,
        "points": formats.points,
        "bytes": formats.human_bytes,
        "duration": formats.duration,
    }
    path = folder / "report.html"
    page = environment.get_template(template).render(light=LIGHT, dark=DARK, **content)
    path.write_text(page, encoding="utf-8")
    return path


def read_settings(path: Path) -> dict[str, Any]:
    """Return the content of a settings.json.

    Raises:
        DataError: it is missing, or is not a JSON object.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing", expected="a run folder with its settings") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path} holds a {type(settings).__name__}", expected="a JSON object")
    return settings


def text_at(settings: Any, *keys: str) -> str | None:
    """Return the text at the end of a path of keys, if there is one."""
    for key in keys:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings if isinstance(settings, str) and settings else None
