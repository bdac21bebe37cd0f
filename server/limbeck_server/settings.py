"""The daemon's settings: a TOML file, then LIMBECK_... variables, then flags; each overrides the one before.

`LIMBECK_ROUND__TIME__MAX=60` and `--set round.time.max=60` stand for `[round] time.max = 60`.
"""

import os
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import MAX_CLASSES, DataSpec, MethodSpec, Name, Recipe, Section
from limbeck_common.support.address import read_host, with_port

DATA_VARIABLE = "LIMBECK_DATA"  # names the data sets' folder, on every participant


class FederationSettings(Section):
    """What the parties learn together."""

    name: Name = "federation"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rounds: PositiveInt = 10


def _check_ordered(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"min {low:g} is above max {high:g}")


def _check_dtype(text: str) -> str:
    try:
        kind = np.dtype(text).kind
    except TypeError as error:
        raise ValueError("no NumPy type, such as '|u1' or '<f4'") from error
    if kind not in "buif":
        raise ValueError("no type of numbers, such as '|u1' or '<f4'")
    return text


def _check_host(text: str) -> str:
    try:
        return read_host(text)
    except SettingsError as error:
        raise ValueError(f"expected {error.expected}") from error


class Count(Section):
    """How many clients."""

    min: PositiveInt = 2
    max: PositiveInt = 1_000_000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ordered(self.min, self.max)
        return self


class Time(Section):
    """How long, in seconds."""

    min: Annotated[float, Field(ge=0)] = 0.0
    max: PositiveFloat = 3600.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ordered(self.min, self.max)
        return self


class LobbySettings(Section):
    """When the first round opens: once `count.max` are there, or `count.min` after `time.min`; `time.max` at most."""

    count: Count = Count()
    time: Time = Time(min=10.0)


class RoundSettings(Section):
    """When a round closes: all present have delivered, or `count.max` have, or the deadline `time.max` is reached.

    It takes `count.min` uplinks, the quorum, and no round is shorter than `time.min`. At the deadline without quorum it
    is extended by `time.max`, `extensions` times, and then the federation fails.

    Over-selection: with `count.max` below the number of clients that `sample_ratio` asks, the first `count.max` uplinks
    close the round, and the others are spares whose uplinks come late.
    """

    count: Count = Count()
    time: Time = Time()
    sample_ratio: Annotated[float, Field(gt=0, le=1, description="share of the present clients that take part")] = 1.0
    grace: Annotated[PositiveFloat, Field(description="seconds of silence after which a client counts as gone")] = 60.0
    extensions: Annotated[int, Field(ge=0)] = 1


class ModelSettings(Section):
    """The server's own model, which learns from every aggregate. `name = "none"` for an aggregator only."""

    name: str = "cnn"
    device: str = "auto"


class OpenSettings(Section):
    """The open data, where it is not a built-in data set.

    Either `source`, a `package.module:callable` that returns a ParticipantData with open rows (and maybe test rows),
    or the facts that the clients are held to: `digest` as `limbeck-client digest` prints it, rows and shape. For a
    method that needs no open data, the shape of everybody's rows alone.
    """

    source: str | None = None
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    rows: NonNegativeInt = 0
    sample_shape: tuple[PositiveInt, ...] = ()
    sample_dtype: Annotated[str, AfterValidator(_check_dtype)] = "|u1"
    classes: Annotated[int, Field(ge=2, le=MAX_CLASSES)] = 10
    served: Annotated[bool, Field(description="whether clients without the open set may fetch it")] = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.digest and self.source is not None:
            raise ValueError("source and digest are both set; one of them says what the open data is")
        if self.digest and not (self.rows and self.sample_shape):
            raise ValueError("digest needs rows and sample_shape beside it, as `limbeck-client digest` prints them")
        return self


class ListenSettings(Section):
    """Where the daemon listens. Port 0 takes any free one."""

    host: Annotated[str, AfterValidator(_check_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 50051

    def at(self, port: int | None = None) -> str:
        """Return HOST:PORT with this host, and this port where no other is given."""
        return with_port(self.host, self.port if port is None else port)


class TlsSettings(Section):
    """Certificates. Plain text is for loopback, or for `insecure = true`, which the daemon says at every start."""

    folder: Annotated[Path, Field(description="what `limbeck-server init` made")] = Path("limbeck-tls")
    mode: Annotated[Literal["auto", "off"], Field(description="auto: TLS where the folder is initialised")] = "auto"
    enrol_port: Annotated[int | None, Field(ge=0, le=65535, description="None: listen.port + 1")] = None
    insecure: Annotated[bool, Field(description="plain text, wherever it listens")] = False


class StoreSettings(Section):
    """Where the journal lies, and how long it keeps uplinks."""

    path: Path = Path("limbeck-store")
    keep_rounds: Annotated[int, Field(ge=0, description="rounds whose uplinks are kept once taught; 0: all")] = 0


class LimitSettings(Section):
    """What one client may ask of the daemon."""

    payload_bytes: Annotated[PositiveInt, Field(description="of one uplink")] = 256 * 1024 * 1024
    push_seconds: Annotated[PositiveFloat, Field(description="that one uplink may take to arrive")] = 600.0
    pull_seconds: Annotated[PositiveFloat, Field(description="longest wait of one pull")] = 30.0
    linger_seconds: Annotated[PositiveFloat, Field(description="for clients to learn of the end")] = 60.0
    calls_per_client: Annotated[PositiveInt, Field(description="open at a time; an honest one needs three")] = 16
    connections: Annotated[PositiveInt, Field(description="in all; a file descriptor each")] = 800


class LogSettings(Section):
    """What the daemon says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Settings(Section):
    """All of it."""

    federation: FederationSettings = FederationSettings()
    method: MethodSpec = MethodSpec()
    data: DataSpec = DataSpec()
    recipe: Recipe = Recipe()
    lobby: LobbySettings = LobbySettings()
    round: RoundSettings = RoundSettings()
    model: ModelSettings = ModelSettings()
    open: OpenSettings = OpenSettings()
    listen: ListenSettings = ListenSettings()
    tls: TlsSettings = TlsSettings()
    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    data_dir: Annotated[Path | None, Field(description="folder of the built-in data sets")] = None


def load(file: Path | None, flags: dict[str, Any]) -> Settings:
    """Return the settings from a file, the environment and dotted flags such as {"round.time.max": "60"}.

    Raises:
        SettingsError: a file that cannot be read, an unknown key, or a value that does not fit, by its name.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(f"{file}: {error}", expected="a TOML file that can be read") from error
    for name, value in os.environ.items():
        if name.startswith("LIMBECK_") and name != DATA_VARIABLE:
            _put(tree, name.removeprefix("LIMBECK_").lower().split("__"), value)
    for name, value in flags.items():
        _put(tree, name.split("."), value)
    try:
        return Settings(**tree)
    except ValidationError as error:
        raise _explain(error, file) from error


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return what `--set KEY=VALUE` flags say.

    Raises:
        SettingsError: one is not of that form.
    """
    flags = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise SettingsError(f"--set {pair!r}", expected="KEY=VALUE, e.g. round.time.max=60")
        flags[key.strip()] = value.strip()
    return flags


def _put(tree: dict[str, Any], path: list[str], text: str) -> None:
    """Set a value by its path.

    `text` is read as TOML where it is TOML, and as a plain string otherwise: also where the setting is a text or a
    path, and TOML would make a number or a date of it.
    """
    fits = _accepts_text(path)
    for key in path[:-1]:
        branch = tree.get(key)
        if not isinstance(branch, dict):
            branch = tree[key] = {}
        tree = branch
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    tree[path[-1]] = text if fits and not isinstance(value, str) else value


def _accepts_text(path: list[str]) -> bool:
    """Say whether a setting is nothing but a text or a path, or not set."""
    section = _section(path)
    field = section.model_fields.get(path[-1]) if section else None
    return field is not None and {str, Path, NoneType}.issuperset(get_args(field.annotation) or [field.annotation])


def _explain(error: ValidationError, file: Path | None) -> SettingsError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    where = f" in {file}" if file else ""
    if first["type"] != "extra_forbidden":
        said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        return SettingsError(f"setting {key}{where}: {said}{got}")
    section = _section(path)
    known = sorted(section.model_fields) if section else []
    close = get_close_matches(path[-1], known, n=1)
    return SettingsError(
        f"unknown setting {key}{where}",
        expected=f"one of {', '.join(known)}",
        remedy=f"did you mean {close[0]!r}?" if close else "take it out",
    )


def _section(path: list[str]) -> type[BaseModel] | None:
    """Return the section that a setting is in; None where there is no such section."""
    kind: type[BaseModel] = Settings
    for key in path[:-1]:
        field = kind.model_fields.get(key)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return None
        kind = field.annotation
    return kind
