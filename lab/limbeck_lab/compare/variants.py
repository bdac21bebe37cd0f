"""The variants that a comparison is asked for: methods with their options, and tables of settings."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limbeck_common.core.errors import SettingsError
from limbeck_server.settings.flags import as_pairs

_METHOD = re.compile(r"(?P<name>[^:=]+(:[^:=]+)?)(:(?P<options>[^:=]+=.+))?")
SEED = "federation.seed"


@dataclass(frozen=True)
class Variant:
    """One row of a comparison: what differs from the common settings.

    `options` are the method's, `overrides` any settings by dotted key; both are text that is read as TOML.
    """

    label: str  # also its folder's name
    method: str
    options: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()  # of its clients; empty: those of the command


def read_methods(text: str) -> list[Variant]:
    """Return a variant for each method of a list such as `dsfl,cfd:bits=1,beta=0.5`.

    A part that is only `KEY=VALUE` is another option of the method before it.

    Raises:
        SettingsError: a part is neither.
    """
    methods: list[str] = []
    for part in text.split(","):
        if methods and "=" in part and ":" not in part.partition("=")[0]:
            methods[-1] += f",{part}"
        else:
            methods.append(part.strip())
    return [read_method(method) for method in methods]


def read_method(text: str) -> Variant:
    """Return the variant that METHOD or METHOD:KEY=VALUE,... stands for.

    >>> read_method("dsfl:aggregation=sa").options
    {'aggregation': 'sa'}

    Raises:
        SettingsError: it is neither.
    """
    match = _METHOD.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"cannot read method {text!r}", expected="METHOD or METHOD:KEY=VALUE,..., e.g. dsfl:aggregation=sa"
        )
    pairs = (pair.partition("=") for pair in (match["options"] or "").split(",") if pair)
    options = {key.strip(): value.strip() for key, _, value in pairs}
    return Variant(label=safe(text), method=match["name"], options=options)


def read_tables(file: Path) -> list[Variant]:
    """Return a variant for each table `[variants.NAME]` of a TOML file.

    A table holds `method`, its `options`, `model` (of the clients: one, or a list that they take in turn), and any
    settings that replace the common ones, e.g. `recipe.fit.epochs = 1` or `model.name = "none"`.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    try:
        tables = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}", expected="a TOML file that can be read") from error
    variants = tables.pop("variants", None)
    if tables or not isinstance(variants, dict) or not all(isinstance(each, dict) for each in variants.values()):
        raise SettingsError(f"{file} must hold variants and nothing else", expected="a table [variants.NAME] for each")
    return [_read_table(file, name, table) for name, table in variants.items()]


def _read_table(file: Path, name: str, table: dict[str, Any]) -> Variant:
    where = f"{file}, [variants.{name}]"
    method, options, models = table.pop("method", None), table.pop("options", {}), table.get("model", [])
    if not isinstance(method, str) or not isinstance(options, dict):
        raise SettingsError(f"{where} names no method", expected='method = "dsfl", and options = { KEY = VALUE }')
    if isinstance(models, str):
        models = [models]
    if isinstance(models, list):
        table.pop("model", None)
    else:
        models = []
    overrides = as_pairs(table)
    if SEED in overrides:
        raise SettingsError(f"{where}: {SEED} is set", expected="--seeds N: every variant runs with seeds 0 to N-1")
    return Variant(
        label=safe(name), method=method, options=as_pairs(options), overrides=overrides, models=tuple(map(str, models))
    )


def safe(text: str) -> str:
    """Return `text` with every character replaced that a folder's name should not have."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", text).strip(".-") or "variant"
