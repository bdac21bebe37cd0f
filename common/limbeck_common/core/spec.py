"""The federation's specification: what the server decides and every client must follow.

The server derives it from its settings and sends it, as JSON, in its answer to Join.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from limbeck_common.core.errors import ClientNameError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.recipe import Recipe
from limbeck_common.core.section import Section

PROTOCOL_VERSION = 1
MAX_WIDTH = 1 << 20
"""The most values that a model may predict per row."""

NAME_RULE = "1 to 64 letters, digits, dots, dashes, underscores, and not dots alone"  # names are folders' names, too
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


class DataSpec(Section):
    """Which data set the federation works on, and how a built-in one is split among the clients.

    With `dataset = "own"` every participant brings its own data, and the open data is known by its digest alone.
    """

    dataset: Annotated[
        Name, Field(description="Built-in data set, by its name, or own: every participant brings its own data.")
    ] = "digits"
    parts: Annotated[PositiveInt, Field(description="Number of parts that the private rows are split into.")] = 5
    private: Annotated[int, Field(ge=0, description="Private rows in all; 0 takes all that are left.")] = 0
    open: Annotated[int, Field(ge=0, description="Open rows; 0 takes the data set's default.")] = 0
    partition: Annotated[
        Literal["iid", "dirichlet", "dirichlet_equal", "shards"],
        Field(description="Rule by which the private rows are split into parts."),
    ] = "dirichlet"
    alpha: Annotated[
        float, Field(gt=0, description="Parameter of the Dirichlet distribution; smaller means more uneven parts.")
    ] = 0.5
    classes_per_part: Annotated[PositiveInt, Field(description="Classes per part, for the partition shards.")] = 2
    test: Annotated[
        Literal["global", "local", "both"],
        Field(description="Test rows: the same for all clients, rows with the classes of each client's own, or both."),
    ] = "global"


class MethodSpec(Section):
    """The distillation method and its options."""

    name: Annotated[str, Field(description="Built-in method, or package.module:Class.")] = "dsfl"
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the method, by name.")


_KINDS = {"classification": Kind.PROBABILITIES, "multilabel": Kind.MEMBERSHIPS, "regression": Kind.VALUES}


class Output(Section):
    """What a model predicts for each row.

    >>> Output(width=10).row_shape, Output(task="regression", width=1, shape=(24,)).row_shape
    ((10,), (24, 1))
    """

    task: Annotated[
        Literal["classification", "multilabel", "regression"],
        Field(description="One class of several, any number of labels, or numbers."),
    ] = "classification"
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH, description="Number of classes, labels or numbers.")]
    shape: Annotated[
        tuple[PositiveInt, ...], Field(description="Shape of what is predicted per row, such as tokens; [] for one.")
    ] = ()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row's prediction."""
        return (*self.shape, self.width)

    @property
    def kind(self) -> Kind:
        """What predictions are: probabilities, memberships or values."""
        return _KINDS[self.task]

    @model_validator(mode="after")
    def _several_classes(self) -> Self:
        if self.task == "classification" and self.width == 1:
            raise ValueError("classification needs a width of at least 2 classes")
        return self


class Spec(Section):
    """All that a client needs to take part.

    >>> spec = Spec(output=Output(width=10), sample_shape=(1, 8, 8), sample_dtype="|u1", open_rows=500)
    >>> spec.recipe.fit.batch_size
    20
    """

    name: Annotated[Name, Field(description="Name of the federation.")] = "federation"
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Seed of everything random in the federation.")] = 0
    rounds: Annotated[PositiveInt, Field(description="Number of rounds.")] = 10
    output: Annotated[Output, Field(description="What every model predicts.")]
    sample_shape: Annotated[tuple[int, ...], Field(description="Shape of one row.")]
    sample_dtype: Annotated[str, Field(description="NumPy type of a row, such as |u1 or <f4.")]
    open_rows: Annotated[int, Field(ge=0, description="Number of open rows; 0 for a method that needs no open data.")]
    input_mean: Annotated[
        tuple[float, ...], Field(description="Mean per channel of byte inputs, scaled to [0, 1].")
    ] = (0.0,)
    input_std: Annotated[
        tuple[float, ...], Field(description="Standard deviation per channel of byte inputs, scaled to [0, 1].")
    ] = (1.0,)
    method: Annotated[MethodSpec, Field(description="The distillation method and its options.")] = MethodSpec()
    data: Annotated[DataSpec, Field(description="The data set, and how it is split.")] = DataSpec()
    recipe: Annotated[Recipe, Field(description="How every model trains.")] = Recipe()
