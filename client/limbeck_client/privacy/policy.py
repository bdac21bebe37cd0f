"""The owner's word: what may leave this machine, and what work is accepted."""

import math
import tomllib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from limbeck_common.core.errors import PolicyError, SettingsError
from limbeck_common.core.messages import Block, Downlink, Kind, Space
from limbeck_common.core.spec import Section, Spec
from limbeck_common.core.tensors import nbytes, slices


class Policy(Section):
    """Limits; one that is not set does not hold. A TOML file, one line a limit."""

    kinds: Annotated[tuple[Kind, ...], Field(description="kinds of values that may leave")] = (
        Kind.PROBABILITIES,
        Kind.CODES,
    )
    rows_a_round: Annotated[PositiveInt | None, Field(description="open rows that one round may ask for")] = None
    rounds: Annotated[NonNegativeInt | None, Field(description="rounds that may be answered, over all starts")] = None
    confidence: Annotated[float | None, Field(gt=0, le=1, description="largest probability that may leave")] = None
    entropy: Annotated[float | None, Field(ge=0, description="smallest entropy of a row that may leave, in nats")] = (
        None
    )
    epochs: Annotated[NonNegativeInt | None, Field(description="epochs that one round may ask for, both kinds")] = None
    seconds: Annotated[PositiveFloat | None, Field(description="time that one round's work may have taken")] = None

    memory: Annotated[PositiveInt | None, Field(description="bytes that one round's rows and labels may take")] = None

    def check_work(self, spec: Spec, downlink: Downlink, answered: int) -> None:
        """Check what a round asks for, before it is begun. `answered` rounds have been answered so far.

        Raises:
            PolicyError: it is more than the owner allows.
        """
        rows = 0 if downlink.wanted is None else len(downlink.wanted)
        _hold("rows a round", rows, self.rows_a_round)
        _hold("epochs a round", spec.recipe.local_epochs + spec.recipe.distill_epochs, self.epochs)
        _hold("bytes a round", work_bytes(spec, downlink), self.memory)
        if downlink.wanted is not None:
            _hold("rounds answered", answered + 1, self.rounds)

    def check_kind(self, kind: Kind) -> None:
        """Check that this kind of values may leave. Codes are labels, too, but no limit to probabilities can see them.

        Raises:
            PolicyError: it may not.
        """
        if kind not in self.kinds:
            kinds = ", ".join(f'"{each}"' for each in (*self.kinds, kind))
            raise PolicyError(
                f"{kind} would leave",
                expected=f"only {', '.join(self.kinds)}, as the owner says",
                remedy=f"if they may, write kinds = [{kinds}] into the file of --policy",
            )
        if kind is Kind.CODES and (self.confidence is not None or self.entropy is not None):
            raise PolicyError(
                "codes would leave, which cannot be held to a confidence or an entropy", expected="probabilities"
            )

    def check_release(self, block: Block | None, seconds: float) -> None:
        """Check what is about to leave, and the time that it took.

        Raises:
            PolicyError: it is more than the owner allows.
        """
        _hold("seconds of work", seconds, self.seconds)
        if block is None:
            return
        self.check_kind(block.kind)
        if block.kind is not Kind.PROBABILITIES:  # a limit to probabilities holds for nothing else
            return
        confidence, entropy = extremes(block)
        _hold("the largest probability", confidence, self.confidence)
        if self.entropy is not None and entropy < self.entropy:
            raise PolicyError(
                f"a row's entropy is {entropy:.4g} nats", expected=f"at least {self.entropy:g}, as the owner says"
            )


def _hold(what: str, found: float, limit: float | None) -> None:
    if limit is not None and found > limit:
        raise PolicyError(f"{what}: {found:.4g}", expected=f"at most {limit:g}, as the owner says")


def work_bytes(spec: Spec, downlink: Downlink) -> int:
    """Return the bytes that a round's rows and labels take: the aggregate's open rows and labels, and the wanted ones.

    An aggregate of another kind, class averages or weights, counts with its own size. The memory of the model does not
    count: the owner chose the model.
    """
    aggregate, rows, taken = downlink.aggregate, 0 if downlink.wanted is None else len(downlink.wanted), 0
    if aggregate is not None and aggregate.space is Space.OPEN:
        rows += len(aggregate.keys)
    elif aggregate is not None:
        taken = sum(map(nbytes, aggregate.values))
    sample = math.prod(spec.sample_shape) * np.dtype(spec.sample_dtype).itemsize
    return taken + rows * (sample + spec.classes * np.dtype(np.float32).itemsize)


def extremes(block: Block) -> tuple[float, float]:
    """Return the largest probability and the smallest row entropy (nats) of a block of predictions."""
    confidence, entropy = 0.0, float("inf")
    for _, part in slices(block.predictions):
        probabilities = part.astype(np.float64)
        confidence = max(confidence, float(probabilities.max(initial=0.0)))
        rows = 0.0 - (probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)  # not -0.0
        entropy = min(entropy, float(rows.min(initial=float("inf"))))
    return confidence, entropy


def read_policy(file: Path | None) -> Policy:
    """Return the policy of a TOML file; without one, nothing but the kind of values is limited.

    Raises:
        SettingsError: it cannot be read, or has a key or a value that no policy has.
    """
    if file is None:
        return Policy()
    try:
        return Policy.model_validate(tomllib.loads(file.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(Policy.model_fields)
        raise SettingsError(f"policy {file}: {key}: {first['msg']}", expected=f"limits among {known}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"policy {file}: {error}", expected="a TOML file that can be read") from error
