"""What a process asks of its worker, and what the worker answers.

Each message travels in a frame: the lengths of its JSON and of its body in 4 and 8 bytes (big-endian), the JSON, the
body. Parts travel in bodies: see `limbeck_common.wire.named_parts`.
"""

import struct
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from limbeck_common.core.spec import Spec

LENGTHS = struct.Struct(">IQ")


class Message(BaseModel):
    """A request or an answer. Numbers that are not finite survive the JSON: a metric may be NaN."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="constants", ser_json_bytes="base64", val_json_bytes="base64"
    )


class Setup(Message):
    """How to make a participant: `data` is a user's `package.module:callable`, `part` its share of a built-in set."""

    participant: str
    spec: Spec
    model: str
    data: str | None = None
    data_dir: Path | None = None
    part: int | None = None
    device: str = "auto"


class Open(Message):
    """Make a participant and load its data. Answered by `Opened`."""

    do: Literal["open"] = "open"
    setup: Setup


class LocalRound(Message):
    """Do a participant's part of a round. The body is its downlink. Answered by `Contributed`."""

    do: Literal["local_round"] = "local_round"
    participant: str


class Refine(Message):
    """Refine a round's aggregate: the body is its parts by audience, `uplinks` a folder with a file per client.

    Answered by `Refined`.
    """

    do: Literal["refine"] = "refine"
    participant: str
    round: int
    uplinks: Path
    moves: dict[str, str]


class Shapes(Message):
    """Say which shapes a model's parameters have. Answered by `Shaped`."""

    do: Literal["shapes"] = "shapes"
    spec: Spec
    model: str


class TrainAlone(Message):
    """Train a new participant on its private rows alone, for as many rounds. Answered by `Measured`."""

    do: Literal["train_alone"] = "train_alone"
    setup: Setup


class Save(Message):
    """Write a participant's models to a folder. Answered by `Saved`."""

    do: Literal["save"] = "save"
    participant: str
    folder: Path


class Opened(Message):
    """The digest of the participant's open set."""

    did: Literal["opened"] = "opened"
    open_digest: bytes


class Contributed(Message):
    """The metrics of a local round; the body is its parts, under the participant's name."""

    did: Literal["contributed"] = "contributed"
    metrics: dict[str, float]


class Refined(Message):
    """The moves of a refined aggregate; the body is its parts by audience."""

    did: Literal["refined"] = "refined"
    moves: dict[str, str]


class Shaped(Message):
    """The shape of each parameter, by name."""

    did: Literal["shaped"] = "shaped"
    shapes: dict[str, tuple[int, ...]]


class Measured(Message):
    """Metrics of a participant's learners."""

    did: Literal["measured"] = "measured"
    metrics: dict[str, float]


class Saved(Message):
    """The models are written."""

    did: Literal["saved"] = "saved"


class Failed(Message):
    """The request failed, for a reason that a person can read."""

    did: Literal["failed"] = "failed"
    error: str


Request = Open | LocalRound | Refine | Shapes | TrainAlone | Save
Answer = Opened | Contributed | Refined | Shaped | Measured | Saved | Failed
REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="do")])
ANSWERS: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="did")])


def pack(message: Request | Answer, body: bytes = b"") -> bytes:
    """Return a message and its body as a frame."""
    packed = message.model_dump_json().encode()
    return LENGTHS.pack(len(packed), len(body)) + packed + body
