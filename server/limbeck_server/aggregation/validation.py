"""What an uplink must be before it is counted. An authenticated client is not a trusted one."""

import math
import re
from collections.abc import Collection, Mapping

import numpy as np

from limbeck_common.core.arrays.tensors import slices
from limbeck_common.core.blocks import Block, Outline, Parts, Rows, Space
from limbeck_common.core.errors import KeysError, MethodError, ShapeError, ValuesError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.messages import Aggregate

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


def check_outlines(outlines: Mapping[str, Outline], plan: Mapping[str, Ask]) -> int:
    """Check what a head says of its parts, before the values are there; return the most bytes that they may have.

    Raises:
        KeysError, ShapeError: the parts cannot be what the round asks for. The closing round asks for none.
    """
    _check_names(outlines, plan)
    return sum(_check_outline(part, outline, plan[part]) for part, outline in outlines.items())


def check_form(parts: Parts, plan: Mapping[str, Ask]) -> str:
    """Check that parts have the form that the round asks for, and return the architecture of their parameters.

    "" where there are none.

    Raises:
        KeysError, ShapeError, ValuesError: what is wrong with them. The closing round asks for none.
    """
    _check_names(parts, plan)
    found = ""
    for part, block in parts.items():
        ask = plan[part]
        _check_weight(part, block, ask)
        if block.space is not ask.form.space or isinstance(block.keys, Rows) is (ask.form.space is Space.PARAMETERS):
            raise KeysError(f"part {part} on {block.space}", expected=f"on {ask.form.space}")
        if ask.form.space is Space.PARAMETERS:
            found = _check_model(part, block, ask)
        else:
            _check_rows(part, block, ask)
            _check_outline(part, block.outline, ask)
    return found


def check_aggregate(aggregate: Aggregate, forms: Mapping[str, Form], whose: str) -> None:
    """Check that an aggregate's parts have the declared forms, and that all values are finite; `whose` names it.

    Raises:
        MethodError: a part has not, or a value is not.
    """
    for parts in aggregate.blocks.values():
        for part, block in parts.items():
            if part not in forms:
                raise MethodError(f"{whose} made a part {part!r}", expected=f"one of {', '.join(forms) or 'none'}")
            form = forms[part]
            named = not isinstance(block.keys, Rows)
            found = (block.kind, block.space, () if named else block.array.shape[1:])
            if found != (form.kind, form.space, form.row_shape):
                raise MethodError(
                    f"{whose} made {found[0]} on {found[1]} of shape {list(found[2])} as part {part}",
                    expected=f"{form.kind} on {form.space} of shape {list(form.row_shape)}, as its forms say",
                )
            if not all(np.isfinite(values).all() for tensor in block.values for _, values in slices(tensor)):
                raise MethodError(
                    f"{whose} made an aggregate that is not finite, in part {part}",
                    remedy="lower the learning rates, or see in `limbeck-server watch` which client is furthest",
                )


def _check_names(parts: Collection[str], plan: Collection[str]) -> None:
    if set(parts) != set(plan):
        raise KeysError(
            f"the uplink has {_say(parts)}", expected=f"{_say(plan)}{'' if plan else ', as in the closing round'}"
        )


def _say(parts: Collection[str]) -> str:
    return ", ".join(f"the part {part[:80]!r}" for part in sorted(parts)[:9]) or "no parts"


def _check_outline(part: str, outline: Outline, ask: Ask) -> int:
    form = ask.form
    size = sum(math.prod(shape) * dtype.itemsize for dtype, shape in outline.layout)
    if form.space is Space.PARAMETERS:
        known = {4 * sum(math.prod(shape) for shape in shapes.values()) for shapes in ask.models.values()}
        if outline.kind is not form.kind or size not in known:
            raise _other_model(part, outline, ask)
        return size
    rows = outline.layout[0][1][0] if outline.layout else 0
    most = len(ask.rows)
    fits = rows <= most if form.partial else rows == most
    if (
        outline.kind is not form.kind
        or outline.encoding not in form.encodings
        or outline.row_shape != form.row_shape
        or outline.layout != outline.encoding.layout(rows, form.row_shape)
        or not fits
    ):
        at_most = "at most " * form.partial
        offered = " or ".join(map(str, form.encodings))
        raise ShapeError(
            f"part {part}: {outline.kind} of {rows} rows of shape {list(outline.row_shape)} as {outline.encoding}",
            expected=f"{form.kind} of {at_most}{most} rows of shape {list(form.row_shape)} as {offered}",
        )
    return size


def _check_weight(part: str, block: Block, ask: Ask) -> None:
    weights = ask.form.weights
    if isinstance(block.weight, np.ndarray) is not (weights is Weights.KEY):
        raise ValuesError(
            f"part {part}: weights per {'key' if isinstance(block.weight, np.ndarray) else 'block'}",
            expected=f"weights per {'key' if weights is Weights.KEY else 'block'}",
        )
    most = 1 if weights is Weights.NONE else HEAVIEST
    if isinstance(block.weight, int) and 1 <= block.weight <= most:
        return
    least, heaviest = np.min(block.weight, initial=1), np.max(block.weight, initial=1)
    if not (least >= 1 and heaviest <= most):
        raise ValuesError(
            f"part {part}: a block that weighs {least if least < 1 else heaviest}", expected=f"1 to {most}"
        )


def _check_rows(part: str, block: Block, ask: Ask) -> None:
    asked, what = ask.rows.indices, "rows" if ask.form.space is Space.OPEN else "classes"
    if block.rows is asked or np.array_equal(block.rows, asked):  # a seeded sample is one array in this process
        return
    unasked, lacking = len(np.setdiff1d(block.rows, asked)), len(np.setdiff1d(asked, block.rows))
    if unasked or not ask.form.partial:
        raise KeysError(
            f"part {part}: {len(block.rows)} {what}, {unasked} of them not asked for and {lacking} missing",
            expected=f"{'some of' if ask.form.partial else 'all'} the {len(asked)} {what} that were asked for",
        )


def _check_model(part: str, block: Block, ask: Ask) -> str:
    """Return the architecture that a block of parameters has."""
    names = block.keys if isinstance(block.keys, tuple) else ()
    found = {name: value.shape for name, value in zip(names, block.values, strict=True)}
    floats = all(value.dtype == np.float32 for value in block.values)
    if block.kind is ask.form.kind and floats and len(found) == len(names):
        for architecture, shapes in ask.models.items():
            if found == shapes:
                return architecture
    raise _other_model(part, block.outline, ask)


def _other_model(part: str, outline: Outline, ask: Ask) -> ShapeError:
    values = sum(math.prod(shape) for _, shape in outline.layout)
    return ShapeError(
        f"part {part}: {outline.kind} of {values} values in {len(outline.layout)} arrays",
        expected=" or ".join(
            f"float32 parameters of {architecture}, "
            f"{sum(map(math.prod, shapes.values()))} values in {len(shapes)} arrays"
            for architecture, shapes in ask.models.items()
        ),
        remedy="join with that model",
    )
