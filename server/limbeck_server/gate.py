"""What an uplink must be before it touches anything. Authenticated is not trusted."""

import math
import re
from collections.abc import Mapping

import numpy as np

from limbeck_common.config import Spec
from limbeck_common.errors import ClientNameError, FederationError, KeysError, ShapeError, ValuesError
from limbeck_common.exact import check_values
from limbeck_common.messages import Block, Kind, Outline, Rows, Space

_MAX_METRICS = 64
_METRIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CLIENT_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def check_name(name: str) -> str:
    """Return a usable client name as it is. Raises ClientNameError for any other."""
    if not _CLIENT_NAME.fullmatch(name):
        raise ClientNameError(
            f"client name {name[:80]!r}", expected="1 to 64 letters, digits, dots, dashes, underscores"
        )
    return name


def check_federation(named: str, federation_id: str) -> None:
    """Raises FederationError unless a message names this federation."""
    if named != federation_id:
        raise FederationError(
            f"a message for federation {named[:80]!r}", expected=repr(federation_id), remedy="join again"
        )


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Raises ValuesError for metrics that are too many, oddly named or not finite."""
    for name, value in metrics.items():
        if len(metrics) > _MAX_METRICS or not _METRIC_NAME.fullmatch(name) or not math.isfinite(value):
            raise ValuesError(
                f"metric {name[:80]!r} = {value}", expected=f"at most {_MAX_METRICS} plainly named finite numbers"
            )


def check_outline(outline: Outline | None, wanted: Rows | None, spec: Spec) -> int:
    """Check what is said of a block before its values are there; return their size in bytes.

    Raises:
        KeysError, ShapeError: it cannot be what was asked for. Nothing is wanted in the closing round.
    """
    if wanted is None or outline is None:
        if outline is not None or wanted is not None:
            raise KeysError(
                "the uplink has predictions" if outline else "the uplink has no predictions",
                expected=("none in the closing round" if outline else "a row for each wanted one"),
            )
        return 0
    shape = (len(wanted), spec.classes)
    if outline != Outline(Kind.PROBABILITIES, ((np.dtype(np.float32), shape),)):
        forms = " and ".join(f"type {dtype} and shape {list(extent)}" for dtype, extent in outline.forms[:3])
        raise ShapeError(
            f"{outline.kind} of {forms or 'no tensor'}",
            expected=f"probabilities of type float32 and shape {list(shape)}",
        )
    return math.prod(shape) * np.dtype(np.float32).itemsize


def check_contribution(block: Block | None, wanted: Rows | None, spec: Spec) -> None:
    """Check that a block answers what was asked: all the wanted rows, a probability distribution each.

    Raises:
        KeysError, ShapeError, ValuesError: what is wrong with it. Nothing is wanted in the closing round.
    """
    if wanted is None or block is None:
        check_outline(block.outline if block else None, wanted, spec)
        return
    if block.space is not Space.OPEN or not isinstance(block.keys, Rows):
        raise KeysError(f"keys of the space {block.space}", expected="rows of the open set")
    if not np.array_equal(block.rows, wanted.indices):
        unasked = np.setdiff1d(block.rows, wanted.indices)
        lacking = len(np.setdiff1d(wanted.indices, block.rows))
        raise KeysError(
            f"{len(block.rows)} rows, {len(unasked)} of them not asked for and {lacking} missing",
            expected=f"the {len(wanted)} rows of the downlink",
        )
    check_outline(block.outline, wanted, spec)
    check_values(block.predictions, block.kind)
