"""Where the settings come from: a TOML file, then LIMBECK_... variables, then flags; each overrides the one before.

`LIMBECK_ROUND__TIME__MAX=60` and `--set round.time.max=60` both mean `[round] time.max = 60`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

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

DATA_VARIABLE = "LIMBECK_DATA"  # the data sets' folder, on every participant; not a setting of the daemon's
_OPTION = FieldInfo(annotation=dict[str, Any])  # of a method: its type is not known here


def load(file: Path | None, flags: Mapping[str, str]) -> Settings:
    """Return the settings from a file, the environment and dotted flags.

    >>> load(None, {"round.time.max": "60"}).round.time.max
    60.0

    Raises:
        SettingsError: the file cannot be read, a key is unknown, or a value does not fit its key.
    """
    given: dict[str, Any] = {"tree": _read(file) if file is not None else {}, "flags": flags}
    try:
        found = _Sources(**given)
    except ValidationError as error:
        raise _explain(error, file) from error
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
    """Settings read from `tree`, a parsed file, from the environment, and from `flags`."""

    model_config = SettingsConfigDict(env_prefix="limbeck_", env_nested_delimiter="__")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        given = vars(init_settings)["init_kwargs"]
        flags = _Texts(settings_cls, case_sensitive=True, env_prefix="", env_nested_delimiter=".")
        flags.env_vars = given["flags"]
        variables = _Texts(settings_cls)
        variables.env_vars = {k: v for k, v in variables.env_vars.items() if k != DATA_VARIABLE.lower()}
        return flags, variables, InitSettingsSource(settings_cls, given["tree"])


class _Texts(EnvSettingsSource):
    """Settings given as texts: variables, or flags. Lists, tables and methods' options are written as in TOML."""

    def __call__(self) -> dict[str, Any]:
        """Return what is set, unknown sections too, so that they are refused by name."""
        names = (name.removeprefix(self.env_prefix) for name in self.env_vars if name.startswith(self.env_prefix))
        sections = {name.split(self.env_nested_delimiter)[0] for name in names}
        return dict.fromkeys(sections - Settings.model_fields.keys()) | super().__call__()

    def next_field(self, field: Any, key: str, case_sensitive: bool | None = None) -> Any:  # noqa: FBT001
        """Return what is known of the key of a section or table."""
        found: Any = super().next_field(field, key, case_sensitive)
        return _OPTION if found is Any else found

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002
        """Return a text read as TOML; where it is not TOML, the text itself, which then fits or is refused by name."""
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            return value


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: {error}", expected="a TOML file that can be read") from error


def _explain(error: ValidationError, file: Path | None) -> SettingsError:
    """Return the first mistake as one line."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    where = f" in {file}" if file else ""
    fields = _fields(path)
    if first["type"] == "extra_forbidden":
        close = get_close_matches(path[-1], fields, n=1)
        return SettingsError(
            f"unknown setting {key}{where}",
            expected=f"one of {', '.join(sorted(fields))}",
            remedy=f"did you mean {close[0]!r}?" if close else "take it out",
        )
    said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    meaning = fields[path[-1]].description if path[-1] in fields else None
    return SettingsError(f"setting {key}{where}: {said}{got}", remedy=f"meaning: {meaning}" if meaning else "")


def _fields(path: list[str]) -> dict[str, FieldInfo]:
    """Return the fields of the section that a setting is in; none where there is no such section."""
    section: type[BaseModel] = Settings
    for key in path[:-1]:
        field = section.model_fields.get(key)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return {}
        section = field.annotation
    return section.model_fields
