"""The data owner's policy: what may leave this machine, and what work is accepted."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from limbeck_client.privacy.finite import check_finite
from limbeck_common.core.arrays.tensors import nbytes, slices
from limbeck_common.core.blocks import Block, Parts, Space
from limbeck_common.core.errors import PolicyError, SettingsError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Downlink
from limbeck_common.core.section import Section
from limbeck_common.core.spec import Spec
from limbeck_common.methods.registry import make_method


class Policy(Section):
    """Limits, from a TOML file with a line for each; None, or a line that is missing, sets no limit.

    >>> Policy(confidence=0.99, rounds=50).confidence
    0.99
    """

    kinds: Annotated[tuple[Kind, ...], Field(description="Kinds of values that may leave.")] = (
        Kind.PROBABILITIES,
        Kind.MEMBERSHIPS,
        Kind.VALUES,
        Kind.VOTES,
    )
    key_weights: Annotated[
        bool,
        Field(description="Whether a weight per row or class may leave: how many, or how like them, private rows are."),
    ] = False
    metrics: Annotated[
        bool, Field(description="Whether accuracies, losses and seconds of this client's model may leave.")
    ] = True
    rows_per_round: Annotated[PositiveInt | None, Field(description="Most open rows that one round may ask for.")] = (
        None
    )
    rounds: Annotated[
        NonNegativeInt | None, Field(description="Most rounds of one federation that may be answered, over all starts.")
    ] = None
    confidence: Annotated[float | None, Field(gt=0, le=1, description="Largest probability that may leave.")] = None
    entropy: Annotated[float | None, Field(ge=0, description="Smallest entropy of a row that may leave, in nats.")] = (
        None
    )
    epochs: Annotated[
        NonNegativeInt | None,
        Field(description="Most epochs that one round may ask for, of training and distillation together."),
    ] = None
    seconds: Annotated[
        PositiveFloat | None, Field(description="Most seconds that a round's work may have taken if its result leaves.")
    ] = None
    memory: Annotated[
        PositiveInt | None, Field(description="Most bytes that one round's open rows and labels may take.")
    ] = None

    def check_work(self, spec: Spec, downlink: Downlink, answered: int) -> None:
        """Check what a round asks for, before its work begins; `answered` other rounds have been answered.

        Raises:
            PolicyError: it is more than the owner allows.
        """
        plan = downlink.plan or {}
        for part, ask in plan.items():
            self.check_form(part, ask.form)
        _check_limit("rows per round", len(asked_rows(plan)), self.rows_per_round)
        self.check_recipe(spec)
        _check_limit("bytes per round", work_bytes(spec, downlink), self.memory)
        if not downlink.closing:
            _check_limit("rounds answered", answered + 1, self.rounds)

    def check_recipe(self, spec: Spec) -> None:
        """Check what every round of a federation asks for.

        Raises:
            PolicyError: it is more than the owner allows.
        """
        _check_limit("epochs per round", spec.recipe.fit.epochs + spec.recipe.distill.epochs, self.epochs)

    def check_forms(self, spec: Spec) -> None:
        """Check, before a federation is joined, that what its method asks for may leave.

        Raises:
            PolicyError: it may not.
        """
        for part, form in make_method(spec.method).forms(spec).up.items():
            self.check_form(part, form)

    def check_form(self, part: str, form: Form) -> None:
        """Check that a part of this form may leave: its kind, and its weights.

        Raises:
            PolicyError: it may not.
        """
        self.check_kind(part, form.kind)
        self._check_weights(part, per_key=form.weights is Weights.KEY)

    def _check_weights(self, part: str, *, per_key: bool) -> None:
        if per_key and not self.key_weights:
            raise PolicyError(
                f"part {part}: a weight per row or class would leave, that is, how many private rows there are of each "
                "class, or how like them each open row is",
                expected="none, as the owner says",
                remedy="if they may, write key_weights = true into the file of --policy",
            )

    def check_kind(self, part: str, kind: Kind) -> None:
        """Check that a part of this kind may leave.

        Raises:
            PolicyError: it may not.
        """
        if kind not in self.kinds:
            kinds = ", ".join(f'"{each}"' for each in (*self.kinds, kind))
            raise PolicyError(
                f"part {part}: {kind} would leave, that is, {kind.exposes}",
                expected=f"only {', '.join(self.kinds)}, as the owner says",
                remedy=f"if they may, write kinds = [{kinds}] into the file of --policy",
            )

    def check_release(self, parts: Parts, seconds: float) -> None:
        """Check what is about to leave, and the seconds that it took.

        Raises:
            PolicyError: it is more than the owner allows.
            UserCodeError: a value is not finite: no limit could be applied to it.
        """
        _check_limit("seconds of work", seconds, self.seconds)
        for part, block in parts.items():
            check_finite(block)
            self.check_kind(part, block.kind)
            self._check_weights(part, per_key=not isinstance(block.weight, int))
            if not block.kind.is_likelihood:
                continue
            confidence, entropy = extremes(block)
            _check_limit(f"part {part}: the largest probability", confidence, self.confidence)
            if self.entropy is not None and entropy < self.entropy:
                raise PolicyError(
                    f"part {part}: a row's entropy is {entropy:.4g} nats",
                    expected=f"at least {self.entropy:g}, as the owner says",
                )


def _check_limit(what: str, found: float, limit: float | None) -> None:
    if limit is not None and found > limit:
        raise PolicyError(f"{what}: {found:.4g}", expected=f"at most {limit:g}, as the owner says")


def asked_rows(plan: Mapping[str, Ask]) -> NDArray[np.int64]:
    """Return the open rows that any part of a plan asks for, ascending."""
    asked = [ask.rows.indices for ask in plan.values() if ask.form.space is Space.OPEN]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *asked]))


def work_bytes(spec: Spec, downlink: Downlink) -> int:
    """Return the bytes of a round's open rows and their labels, those of the aggregate and those asked for.

    What an aggregate says of classes, of parameters or of made rows counts with the size of its values. The model does
    not count: the owner chose it.
    """
    size, rows = 0, len(asked_rows(downlink.plan or {}))
    for block in (downlink.aggregate or {}).values():
        if block.space is Space.OPEN:
            rows += len(block.keys)
        else:
            size += sum(map(nbytes, block.values))
    sample = math.prod(spec.sample_shape) * np.dtype(spec.sample_dtype).itemsize
    labels = math.prod(spec.output.row_shape) * np.dtype(np.float32).itemsize
    return size + rows * (sample + labels)


def extremes(block: Block) -> tuple[float, float]:
    """Return the largest probability and the smallest entropy of a row, in nats, of a block of finite likelihoods.

    A block without rows has 0 and infinity.
    """
    confidence, entropy = 0.0, float("inf")
    for _, part in slices(block.array):
        probabilities = part.astype(np.float64)
        confidence = max(confidence, float(probabilities.max(initial=0.0)))
        rows = 0.0 - (probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=-1)  # not -0.0
        entropy = min(entropy, float(rows.min(initial=float("inf"))))
    return confidence, entropy


def read_policy(file: Path | None) -> Policy:
    """Return the policy of a TOML file; without a file, the default one, which limits the kinds of values alone.

    Raises:
        SettingsError: the file cannot be read, or has an unknown key or an impossible value.
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
