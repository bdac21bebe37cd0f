"""Every setting of the daemon: its meaning, its bounds and its default, as in deploy/federation.toml."""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.recipe import Recipe
from limbeck_common.core.section import Section
from limbeck_common.core.spec import DataSpec, MethodSpec, Name, Output
from limbeck_common.support.address import read_host, with_port

_Port = Annotated[int, Field(ge=0, le=65535)]


def _check_ordered(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"min {low:g} is above max {high:g}")


def _check_dtype(text: str) -> str:
    try:
        kind = np.dtype(text).kind
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError("not a NumPy type, such as '|u1' or '<f4'") from error
    if kind not in "buif":
        raise ValueError("not a numeric NumPy type, such as '|u1' or '<f4'")
    return text


def _check_host(text: str) -> str:
    try:
        return read_host(text)
    except SettingsError as error:
        raise ValueError(f"expected {error.expected}") from error


class FederationSettings(Section):
    """The federation as a whole."""

    name: Annotated[Name, Field(description="Name of the federation: letters, digits and ._- only.")] = "federation"
    seed: Annotated[
        int,
        Field(ge=0, lt=2**63, description="Seed of everything random: data split, first weights, open rows per round."),
    ] = 0
    rounds: Annotated[PositiveInt, Field(description="Number of rounds.")] = 10


class Count(Section):
    """How many."""

    min: Annotated[PositiveInt, Field(description="Fewest clients, or fewest uplinks, that are enough.")] = 2
    max: Annotated[PositiveInt, Field(description="Clients, or uplinks, after which no more are waited for.")] = (
        1_000_000
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ordered(self.min, self.max)
        return self


class Time(Section):
    """How long, in seconds."""

    min: Annotated[float, Field(ge=0, description="Shortest duration, in seconds.")] = 0.0
    max: Annotated[PositiveFloat, Field(description="Longest duration, in seconds.")] = 3600.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ordered(self.min, self.max)
        return self


class LobbySettings(Section):
    """When the first round opens.

    It opens once `count.max` clients are present, or once `count.min` are present after `time.min`. If fewer are
    present after `time.max`, the federation fails.
    """

    count: Annotated[Count, Field(description="Clients that the first round needs (min) and waits for (max).")] = (
        Count()
    )
    time: Annotated[Time, Field(description="Seconds that the lobby stays open, at least (min) and at most (max).")] = (
        Time(min=10.0)
    )


class RoundSettings(Section):
    """When a round closes.

    It closes when all present participants have delivered, when `count.max` uplinks have come, or at the deadline,
    after `time.max`. It needs `count.min` uplinks, the quorum, and lasts at least `time.min`. At a deadline without a
    quorum it is extended by `time.max`, up to `extensions` times; then the federation fails.

    Over-selection: with `count.max` below the number of clients that `sample_ratio` selects, the first `count.max`
    uplinks close the round, and the other clients are spares, whose uplinks come late.
    """

    count: Annotated[Count, Field(description="Uplinks that a round needs, the quorum (min), and counts (max).")] = (
        Count()
    )
    time: Annotated[Time, Field(description="Seconds that a round lasts, at least (min) and at most (max).")] = Time()
    sample_ratio: Annotated[
        float, Field(gt=0, le=1, description="Share of the present clients that take part in a round.")
    ] = 1.0
    grace: Annotated[PositiveFloat, Field(description="Seconds of silence after which a client counts as gone.")] = 60.0
    extensions: Annotated[
        int, Field(ge=0, description="Times that a round without a quorum is extended before the federation fails.")
    ] = 1


class ModelSettings(Section):
    """The server's own model, which learns from every aggregate."""

    name: Annotated[
        str,
        Field(description='Server model: a built-in name, package.module:callable, or "none" to aggregate only.'),
    ] = "cnn"
    device: Annotated[str, Field(description="Device of the server model: auto, cpu, cuda, cuda:1 or mps.")] = "auto"


class OpenSettings(Section):
    """The open data, where it is not a built-in data set.

    Set either `source`, or the facts that clients are held to: `digest`, as `limbeck-client digest` prints it, `rows`
    and `sample_shape`. A method that needs no open data needs `sample_shape` alone.
    """

    source: Annotated[
        str | None,
        Field(description="Function, as package.module:callable, that returns a ParticipantData with open rows."),
    ] = None
    digest: Annotated[
        str,
        Field(
            pattern=r"^([0-9a-f]{64})?$",
            description="Digest of the open rows: 64 hex digits, as `limbeck-client digest` prints them.",
        ),
    ] = ""
    rows: Annotated[NonNegativeInt, Field(description="Number of open rows.")] = 0
    sample_shape: Annotated[
        tuple[PositiveInt, ...], Field(description="Shape of one row of everybody's data, such as [1, 28, 28].")
    ] = ()
    sample_dtype: Annotated[
        str,
        AfterValidator(_check_dtype),
        Field(description="NumPy type of everybody's data: |u1 for bytes, <f4 for floats."),
    ] = "|u1"
    served: Annotated[
        bool, Field(description="Whether clients without the open data may download it from the server.")
    ] = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.digest and self.source is not None:
            raise ValueError("source and digest are both set; only one of them can say what the open data is")
        if self.digest and not (self.rows and self.sample_shape):
            raise ValueError("digest needs rows and sample_shape beside it, as `limbeck-client digest` prints them")
        return self


class ListenSettings(Section):
    """Where the daemon listens."""

    host: Annotated[
        str,
        AfterValidator(_check_host),
        Field(description="Address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 for every IPv4 network."),
    ] = "127.0.0.1"
    port: Annotated[_Port, Field(description="Port to listen on; 0 takes any free one.")] = 50051

    def at(self, port: int | None = None) -> str:
        """Return HOST:PORT with this host; without `port`, with this port."""
        return with_port(self.host, self.port if port is None else port)


class TlsSettings(Section):
    """Certificates. Plain text is for loopback, or for `insecure = true`, of which the daemon warns at every start."""

    folder: Annotated[Path, Field(description="Folder of the certificates that `limbeck-server init` made.")] = Path(
        "limbeck-tls"
    )
    mode: Annotated[
        Literal["auto", "off"],
        Field(description="When to use TLS. auto: if there are certificates, else plain text on loopback; off: never."),
    ] = "auto"
    enrol_port: Annotated[
        _Port | None, Field(description="Port where clients exchange tokens for certificates; by default port + 1.")
    ] = None
    insecure: Annotated[bool, Field(description="Whether to serve plain text even on a network.")] = False


class StoreSettings(Section):
    """Where the journal lies, and how long it keeps uplinks."""

    path: Annotated[Path, Field(description="Folder of the journal. The daemon resumes from it after a restart.")] = (
        Path("limbeck-store")
    )
    keep_rounds: Annotated[
        int, Field(ge=0, description="Rounds whose uplinks are kept after aggregation, for `audit`; 0 keeps all.")
    ] = 100


class LimitSettings(Section):
    """What one client may ask of the daemon."""

    payload_bytes: Annotated[PositiveInt, Field(description="Largest size of one uplink, in bytes.")] = (
        256 * 1024 * 1024
    )
    push_seconds: Annotated[PositiveFloat, Field(description="Seconds that one uplink may take to arrive.")] = 600.0
    pull_seconds: Annotated[PositiveFloat, Field(description="Seconds after which a waiting pull is answered.")] = 600.0
    linger_seconds: Annotated[
        PositiveFloat, Field(description="Seconds that the daemon stays up at the end, so that clients learn of it.")
    ] = 60.0
    calls_per_client: Annotated[
        PositiveInt, Field(description="Concurrent calls per client; an honest client needs three.")
    ] = 16
    connections: Annotated[
        PositiveInt, Field(description="Connections in all; each takes a file descriptor, for which the daemon asks.")
    ] = 10_000


class LogSettings(Section):
    """What the daemon logs to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least severe level that is logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"], Field(description="Format of the log; auto: text on a terminal, else JSON.")
    ] = "auto"


class Settings(Section):
    """All settings of one daemon."""

    federation: Annotated[FederationSettings, Field(description="The federation as a whole.")] = FederationSettings()
    method: Annotated[MethodSpec, Field(description="The distillation method and its options.")] = MethodSpec()
    data: Annotated[DataSpec, Field(description="The data set, and how it is split.")] = DataSpec()
    output: Annotated[
        Output, Field(description="What every model predicts, where the data is not a built-in data set.")
    ] = Output(width=10)
    recipe: Annotated[Recipe, Field(description="How every model trains.")] = Recipe()
    lobby: Annotated[LobbySettings, Field(description="When the first round opens.")] = LobbySettings()
    round: Annotated[RoundSettings, Field(description="When a round closes.")] = RoundSettings()
    model: Annotated[ModelSettings, Field(description="The server's own model.")] = ModelSettings()
    open: Annotated[OpenSettings, Field(description="Open data that is not a built-in data set.")] = OpenSettings()
    listen: Annotated[ListenSettings, Field(description="Where the daemon listens.")] = ListenSettings()
    tls: Annotated[TlsSettings, Field(description="Certificates.")] = TlsSettings()
    store: Annotated[StoreSettings, Field(description="The journal.")] = StoreSettings()
    limits: Annotated[LimitSettings, Field(description="What one client may ask of the daemon.")] = LimitSettings()
    log: Annotated[LogSettings, Field(description="What the daemon logs.")] = LogSettings()
    data_dir: Annotated[Path | None, Field(description="Folder of the built-in data sets.")] = None
