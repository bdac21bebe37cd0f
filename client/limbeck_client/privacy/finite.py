"""Nothing that is not finite leaves a client: a learner that has diverged is named here, before the server sees it."""

import math

import numpy as np
import structlog

from limbeck_common.core.arrays.tensors import slices
from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import Uplink

_log = structlog.get_logger()


def check_finite(block: Block) -> None:
    """Check that all values of a block are finite numbers.

    Raises:
        UserCodeError: one is NaN or infinite; the first such row, or array of parameters, is named.
    """
    for position, tensor in enumerate(block.values):
        for first, part in slices(tensor):
            bad = ~np.isfinite(part).reshape(len(part), -1).all(axis=1)
            if bad.any():
                raise UserCodeError(
                    f"the learner's {block.kind} for {_key(block, position, first + int(bad.argmax()))} are not finite",
                    expected="finite numbers: has its training diverged?",
                    remedy="mend the model and join again, to go on from the round before",
                )


def _key(block: Block, position: int, row: int) -> str:
    if not isinstance(block.keys, Rows):
        return repr(block.keys[position])
    return f"{'open row' if block.space is Space.OPEN else 'class'} {block.rows[row]}"


def finite_metrics(uplink: Uplink) -> dict[str, float]:
    """Return an uplink's metrics without those that are NaN or infinite, and log the names of those left out.

    Metrics are for people to read and nothing is computed from them. A loss may overflow while all predictions are
    finite and useful, so it costs its owner the metric and not the round. The server refuses numbers that are not
    finite.
    """
    metrics = {name: value for name, value in uplink.metrics.items() if math.isfinite(value)}
    missing = sorted(uplink.metrics.keys() - metrics.keys())
    if missing:
        _log.warning("metrics left out: they are not finite", client=uplink.client, round=uplink.round, metrics=missing)
    return metrics
