"""What an uplink must be before it touches anything. Authenticated is not trusted."""

import math
import re

import numpy as np

from limbeck_common.config import NAME_RULE, Spec, is_name
from limbeck_common.errors import ClientNameError, FederationError, KeysError, ShapeError, ValuesError
from limbeck_common.messages import Block, Rows, Space, Task, Uplink

HEAVIEST = 1 << 20  # rows that one client may claim to have behind its block
_MAX_METRICS = 64
_METRIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def check_name(name: str) -> str:
    """Return a usable client name as it is. Raises ClientNameError for any other."""
    if not is_name(name):
        raise ClientNameError(f"client name {name[:80]!r}", expected=NAME_RULE)
    return name


def check_federation(named: str, federation_id: str) -> None:
    """Raises FederationError unless a message names this federation."""
    if named != federation_id:
        raise FederationError(
            f"a message for federation {named[:80]!r}", expected=repr(federation_id), remedy="join again"
        )


def check_metrics(uplink: Uplink) -> None:
    """Raises ValuesError for metrics that are too many, oddly named or not finite."""
    for name, value in uplink.metrics.items():
        if len(uplink.metrics) > _MAX_METRICS or not _METRIC_NAME.fullmatch(name) or not math.isfinite(value):
            raise ValuesError(
                f"metric {name[:80]!r} = {value}", expected=f"at most {_MAX_METRICS} plainly named finite numbers"
            )


def check_form(block: Block | None, task: Task | None, spec: Spec) -> str:
    """Check that a block has the form that was asked for, and return the group of its architecture.

    Raises:
        KeysError, ShapeError, ValuesError: what is wrong with it. Nothing is asked for in the closing round.
    """
    if task is None or block is None:
        if block is not None or task is not None:
            raise KeysError(
                "the uplink has a contribution" if block else "the uplink has no contribution",
                expected=("none in the closing round" if block else "what the downlink asked for"),
            )
        return ""
    most = HEAVIEST if task.weighted else 1
    if not 1 <= block.weight <= most:
        raise ValuesError(f"a block that weighs {block.weight}", expected=f"1 to {most}")
    if block.space is not task.space or isinstance(block.keys, Rows) is (task.space is Space.PARAMETERS):
        raise KeysError(f"keys of the space {block.space}", expected=f"of the space {task.space}")
    if task.space is Space.PARAMETERS:
        return _check_model(block, task)
    asked, what = (task.wanted.indices, "rows") if task.space is Space.OPEN else (np.arange(spec.classes), "classes")
    if not np.array_equal(block.rows, asked):
        unasked, lacking = len(np.setdiff1d(block.rows, asked)), len(np.setdiff1d(asked, block.rows))
        if unasked or not task.partial:
            raise KeysError(
                f"{len(block.rows)} {what}, {unasked} of them not asked for and {lacking} missing",
                expected=f"{'some of' if task.partial else 'all'} the {len(asked)} {what} that were asked for",
            )
    values, columns = block.predictions, task.columns or spec.classes
    if block.kind is not task.kind or values.dtype != task.dtype or values.shape != (len(block.rows), columns):
        raise ShapeError(
            f"{block.kind} of type {values.dtype} and shape {list(values.shape)}",
            expected=f"{task.kind} of type {np.dtype(task.dtype)} and shape [{len(block.rows)}, {columns}]",
        )
    return ""


def _check_model(block: Block, task: Task) -> str:
    """Return the group whose architecture a block of parameters has."""
    names = block.keys if isinstance(block.keys, tuple) else ()
    found = {name: value.shape for name, value in zip(names, block.values, strict=True)}
    floats = all(value.dtype == task.dtype for value in block.values)
    if block.kind is task.kind and floats and len(found) == len(names):
        for group, shapes in task.models.items():
            if found == shapes:
                return group
    raise ShapeError(
        f"{block.kind} under {len(names)} names, {sum(math.prod(shape) for shape in found.values())} values",
        expected="float32 parameters of " + " or ".join(group or "the server's model" for group in task.models),
        remedy="join with that model",
    )
