"""Where the settings come from: a TOML file, then LIMBECK_... variables, then flags; each overrides the one before.

`LIMBECK_ROUND__TIME__MAX=60` and `--set round.time.max=60` both mean `[round] time.max = 60`.
"""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from limbeck_common.core.errors import SettingsError
from limbeck_server.settings.sections import Settings

DATA_VARIABLE = "LIMBECK_DATA"  # names the folder of the data sets on every machine; it is not a setting
_PREFIX = "LIMBECK_"
_OPTION = FieldInfo(annotation=dict[str, Any])  # stands for an option of a method, whose type is not known here


def load(file: Path | None, flags: Mapping[str, str]) -> Settings:
    """Return the settings from a file, the environment and dotted flags.

    >>> load(None, {"round.time.max": "60"}).round.time.max
    60.0

    Raises:
        SettingsError: the file cannot be read, a key is unknown, or a value does not fit its key.
    """
    texts = {**_variables(besides=flags), **flags}
    tree = _read(file) if file is not None else {}
    _drop_replaced(tree, texts)
    given: dict[str, Any] = {"tree": tree, "texts": texts}
    try:
        found = _Sources(**given)
    except ValidationError as error:
        raise _explain(error, file, tree) from error
    return Settings(**dict(found))


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return `--set KEY=VALUE` flags as a dictionary.

    >>> read_pairs(["round.time.max=60"])
    {'round.time.max': '60'}

    Raises:
        SettingsError: a flag does not have that form.
    """
    flags = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise SettingsError(f"--set {pair!r}", expected="KEY=VALUE, e.g. round.time.max=60")
        flags[key.strip()] = value.strip()
    return flags


class _Sources(Settings, BaseSettings):
    """Settings read from `tree`, a parsed file, and from `texts`, by dotted name, which override it."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", case_sensitive=True)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        given = vars(init_settings)["init_kwargs"]
        return _Texts(settings_cls, given["texts"]), InitSettingsSource(settings_cls, given["tree"])


class _Texts(EnvSettingsSource):
    """Settings given as texts by dotted name. A text is read as TOML, unless its setting is a text or a path."""

    def __init__(self, settings_cls: type[BaseSettings], texts: Mapping[str, str]) -> None:
        super().__init__(settings_cls, case_sensitive=True, env_prefix="", env_nested_delimiter=".")
        self.env_vars = texts

    def __call__(self) -> dict[str, Any]:
        """Return what is set, unknown sections too, so that they are refused by name."""
        sections = {name.partition(".")[0] for name in self.env_vars}
        return dict.fromkeys(sections - Settings.model_fields.keys()) | super().__call__()

    def field_is_complex(self, field: FieldInfo) -> bool:  # noqa: ARG002 - each is decoded below
        """Return whether the text of a field is to be decoded."""
        return True

    def next_field(self, field: Any, key: str, case_sensitive: bool | None = None) -> Any:  # noqa: FBT001
        """Return what is known of the key of a section or table."""
        found: Any = super().next_field(field, key, case_sensitive)
        return _OPTION if found is Any else found

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:  # noqa: ARG002
        """Return the value that a text stands for: `5` is a text for a setting that is one, and a number for others."""
        try:
            decoded = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            return value  # a plain text, or a mistake that the setting itself will name
        return decoded if isinstance(decoded, str) or not _is_text(field) else value


def _drop_replaced(tree: dict[str, Any], names: Iterable[str]) -> None:
    """Take out of `tree` each table that is named: a text for a whole table replaces it, and is not merged with it."""
    for name in names:
        *path, last = name.split(".")
        branch: Any = tree
        for key in path:
            branch = branch.get(key) if isinstance(branch, dict) else None
        if isinstance(branch, dict) and isinstance(branch.get(last), dict):
            del branch[last]


def _is_text(field: FieldInfo | None) -> bool:
    """Say whether a setting is nothing but a text or a path, or not set."""
    return field is not None and {str, Path, NoneType}.issuperset(get_args(field.annotation) or [field.annotation])


def _variables(besides: Iterable[str]) -> dict[str, str]:
    """Return the settings in the environment by dotted name, without those in tables that others replace."""
    found = {
        name.removeprefix(_PREFIX).lower().replace("__", "."): text
        for name, text in os.environ.items()
        if name.startswith(_PREFIX) and name != DATA_VARIABLE
    }
    tables = tuple(f"{name}." for name in besides)
    return {name: text for name, text in found.items() if not name.startswith(tables)}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: {error}", expected="a TOML file that can be read") from error


def _explain(error: ValidationError, file: Path | None, tree: Mapping[str, Any]) -> SettingsError:
    """Return the first mistake as one line; `tree` is what the file says."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    where = f" in {file}" if _says(tree, path) else ""
    fields = _fields(path)
    if first["type"] == "extra_forbidden":
        close = get_close_matches(path[-1], fields, n=1) or list(_deeper(path[-1], fields))
        return SettingsError(
            f"unknown setting {key}{where}",
            expected=f"one of {', '.join(sorted(fields))}",
            remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "take it out",
        )
    said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r:.80}"
    meaning = fields[path[-1]].description if path[-1] in fields else None
    return SettingsError(f"setting {key}{where}: {said}{got}", remedy=f"meaning: {meaning}" if meaning else "")


def _says(tree: Any, path: Sequence[str]) -> bool:
    """Return whether a tree has a key, or the section that a missing key belongs to."""
    for name in path[:-1]:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return isinstance(tree, Mapping) and path[-1] in tree


def _deeper(name: str, fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """Yield what a setting may be called in the sections of its section."""
    for section, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for close in get_close_matches(name, field.annotation.model_fields, n=1):
                yield f"{section}.{close}"


def _fields(path: list[str]) -> dict[str, FieldInfo]:
    """Return the fields of the section that a setting is in; none where there is no such section."""
    section: type[BaseModel] = Settings
    for key in path[:-1]:
        field = section.model_fields.get(key)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return {}
        section = field.annotation
    return section.model_fields
