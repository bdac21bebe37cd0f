"""What an uplink must be before it is counted. An authenticated client is not a trusted one."""

import math
import re
from collections.abc import Mapping

import numpy as np

from limbeck_common.core.errors import KeysError, ShapeError, ValuesError
from limbeck_common.core.messages import Ask, Block, Outline, Rows, Space
from limbeck_common.core.spec import Spec

HEAVIEST = 1 << 20  # private rows that one client may claim to have trained on
_MAX_METRICS = 64
_METRIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Raise ValuesError for too many metrics, or for one that is oddly named or not finite."""
    for name, value in metrics.items():
        if len(metrics) > _MAX_METRICS or not _METRIC_NAME.fullmatch(name) or not math.isfinite(value):
            raise ValuesError(
                f"metric {name[:80]!r} = {value}",
                expected=f"at most {_MAX_METRICS} finite numbers, named with A-Z a-z 0-9 . _ -",
            )


def check_outline(outline: Outline | None, ask: Ask | None, spec: Spec) -> int:
    """Check what a head says of its block, before the values are there; return the most bytes that they may have.

    Raises:
        KeysError, ShapeError: the block cannot be what the round asks for. The closing round asks for none.
    """
    if ask is None or outline is None:
        if outline is not None or ask is not None:
            raise KeysError(
                "the uplink has a contribution" if outline else "the uplink has no contribution",
                expected=("none in the closing round" if outline else "what the downlink asked for"),
            )
        return 0
    size = sum(math.prod(shape) * dtype.itemsize for dtype, shape in outline.forms)
    if ask.space is Space.PARAMETERS:
        known = {4 * sum(math.prod(shape) for shape in shapes.values()) for shapes in ask.models.values()}
        if outline.kind is not ask.kind or size not in known:
            raise _other_model(outline, ask)
        return size
    asked = (len(ask.wanted) if ask.space is Space.OPEN else spec.output.width, ask.columns or spec.output.width)
    shapes = [shape for dtype, shape in outline.forms if dtype == ask.dtype]
    fits = shapes == [asked] or (ask.partial and [shape[1:] for shape in shapes] == [asked[1:]] and shapes[0] < asked)
    if outline.kind is not ask.kind or len(outline.forms) != 1 or not fits:
        forms = " and ".join(f"type {dtype} and shape {list(extent)}" for dtype, extent in outline.forms[:3])
        most = "at most " * ask.partial
        raise ShapeError(
            f"{outline.kind} of {forms or 'no tensor'}",
            expected=f"{ask.kind} of type {np.dtype(ask.dtype)} and {most}shape {list(asked)}",
        )
    return size


def check_form(block: Block | None, ask: Ask | None, spec: Spec) -> str:
    """Check that a block has the form that the round asks for, and return the group of its architecture.

    Raises:
        KeysError, ShapeError, ValuesError: what is wrong with the block. The closing round asks for none.
    """
    if ask is None or block is None:
        check_outline(block.outline if block else None, ask, spec)
        return ""
    most = HEAVIEST if ask.weighted else 1
    if not 1 <= block.weight <= most:
        raise ValuesError(f"a block that weighs {block.weight}", expected=f"1 to {most}")
    if block.space is not ask.space or isinstance(block.keys, Rows) is (ask.space is Space.PARAMETERS):
        raise KeysError(f"keys of the space {block.space}", expected=f"of the space {ask.space}")
    if ask.space is Space.PARAMETERS:
        return _check_model(block, ask)
    asked, what = (ask.wanted.indices, "rows") if ask.space is Space.OPEN else (np.arange(spec.output.width), "classes")
    if not np.array_equal(block.rows, asked):
        unasked, lacking = len(np.setdiff1d(block.rows, asked)), len(np.setdiff1d(asked, block.rows))
        if unasked or not ask.partial:
            raise KeysError(
                f"{len(block.rows)} {what}, {unasked} of them not asked for and {lacking} missing",
                expected=f"{'some of' if ask.partial else 'all'} the {len(asked)} {what} that were asked for",
            )
    check_outline(block.outline, ask, spec)
    return ""


def _check_model(block: Block, ask: Ask) -> str:
    """Return the group whose architecture a block of parameters has."""
    names = block.keys if isinstance(block.keys, tuple) else ()
    found = {name: value.shape for name, value in zip(names, block.values, strict=True)}
    floats = all(value.dtype == ask.dtype for value in block.values)
    if block.kind is ask.kind and floats and len(found) == len(names):
        for group, shapes in ask.models.items():
            if found == shapes:
                return group
    raise _other_model(block.outline, ask)


def _other_model(outline: Outline, ask: Ask) -> ShapeError:
    values = sum(math.prod(shape) for _, shape in outline.forms)
    return ShapeError(
        f"{outline.kind} of {values} values in {len(outline.forms)} tensors",
        expected=" or ".join(
            f"float32 parameters of {group or 'the model that the round asks for'}, "
            f"{sum(map(math.prod, shapes.values()))} values in {len(shapes)} tensors"
            for group, shapes in ask.models.items()
        ),
        remedy="join with that model",
    )
