"""The federation's specification: what the server decides and every client must follow.

The server reads it from its configuration and sends it, as JSON, in the answer to Join.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from limbeck_common.core.errors import ClientNameError

PROTOCOL_VERSION = 1
MAX_CLASSES = 100_000

NAME_RULE = "1 to 64 letters, digits, dots, dashes, underscores, and not dots alone"  # a name is a folder's, too
_NAME = re.compile(r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_LONGEST_NAME = 64


def is_name(text: str) -> bool:
    """Say whether a participant or a federation may have this name: see `NAME_RULE`."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """Return a client's name as it is. Raises ClientNameError where it breaks `NAME_RULE`."""
    if not is_name(text):
        raise ClientNameError(f"client name {text[:80]!r}", expected=NAME_RULE)
    return text


def _check_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"expected {NAME_RULE}")
    return text


Name = Annotated[str, AfterValidator(_check_name)]


class Section(BaseModel):
    """A part of a configuration: unknown keys are refused by name, and it never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(Section):
    """How a learner trains. The same on every client and for the server's model."""

    local_epochs: Annotated[int, Field(ge=0, description="epochs on the private data, a round")] = 5
    distill_epochs: Annotated[int, Field(ge=0, description="epochs on the aggregate, a round")] = 5
    batch_size: Annotated[PositiveInt, Field(description="rows a step")] = 50
    optimizer: Annotated[Literal["sgd", "adam"], Field(description="for both kinds of training")] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, description="on the private data")] = 0.1
    distill_learning_rate: Annotated[float, Field(gt=0, description="on the aggregate")] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="of SGD")] = 0.0
    threads: Annotated[PositiveInt, Field(description="torch threads; sums inside torch depend on it")] = 1
    evaluate_every: Annotated[int, Field(ge=0, description="rounds between evaluations; 0: only at the end")] = 1


class DataSpec(Section):
    """Which data set the federation works on, and how the built-in ones are split and shared out.

    With `dataset = "own"` every participant brings its own data, and the open set is known by its digest alone.
    """

    dataset: Name = "digits"  # one of `limbeck_common.datasets.registry`, or "own"
    parts: Annotated[PositiveInt, Field(description="clients that the private rows are shared out to")] = 5
    private: Annotated[int, Field(ge=0, description="private rows in all; 0 for all that are left")] = 0
    open: Annotated[int, Field(ge=0, description="open rows; 0 for the data set's default")] = 0
    partition: Literal["iid", "dirichlet", "dirichlet_equal", "shards"] = "dirichlet"
    alpha: Annotated[float, Field(gt=0, description="of the Dirichlet distribution")] = 0.5
    classes_per_part: Annotated[PositiveInt, Field(description="classes a client, for shards")] = 2


class MethodSpec(Section):
    """The method's name (or `package.module:Class`) and its options."""

    name: str = "dsfl"
    options: dict[str, Any] = {}


class Spec(Section):
    """All that a client needs to take part."""

    name: Name = "federation"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    rounds: PositiveInt = 10
    classes: Annotated[int, Field(ge=2, le=MAX_CLASSES)]
    sample_shape: tuple[int, ...]
    sample_dtype: str
    open_rows: Annotated[int, Field(ge=0, description="0: for methods that need no open data")]
    input_mean: Annotated[tuple[float, ...], Field(description="a channel, of inputs given as bytes / 255")] = (0.0,)
    input_std: tuple[float, ...] = (1.0,)
    method: MethodSpec = MethodSpec()
    data: DataSpec = DataSpec()
    recipe: Recipe = Recipe()
