"""Means that a few clients cannot move far: for methods whose clients all predict the same open rows.

Coordinate median and trimmed mean: D. Yin, Y. Chen, K. Ramchandran, P. Bartlett, "Byzantine-Robust Distributed
Learning: Towards Optimal Statistical Rates", ICML 2018 (arXiv 1803.01498), definitions 1 and 2. Cronus: H. Chang,
V. Shejwalkar, R. Shokri, A. Houmansadr, "Cronus: Robust and Heterogeneous Collaborative Learning with Black-Box
Knowledge Transfer", 2019 (arXiv 1912.11279), which takes for each open row the robust mean of I. Diakonikolas et al.,
"Being Robust (in High Dimensions) Can Be Practical", ICML 2017 (arXiv 1703.00893): along the direction in which the
clients' predictions vary most, drop those that are furthest out, and look again.

Departures: of Cronus the mean alone is here. Its filter drops one client a row as many times as there may be attackers,
instead of cutting a tail until the variance is below a bound, for which the covariance of honest predictions would have
to be known. A median of probabilities is brought back to a sum of 1. There is no exact sum of medians: these means read
all uplinks of a round again, which stay in the store, a slice of the rows at a time.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limbeck_common.core.messages import Kind
from limbeck_common.methods.method import Method, ServerRound


class RobustMethod(Method):
    """A method of open rows whose mean over the clients may be a robust one."""

    robust: Annotated[Literal["none", "median", "trimmed", "cronus"], Field(description="how clients are averaged")] = (
        "none"
    )
    attackers: Annotated[float, Field(ge=0, lt=0.5, description="part of a round's uplinks that may be hostile")] = 0.2

    def means(self, server: ServerRound) -> Iterator[NDArray[np.float64]]:
        """Yield the means of the wanted rows over the clients, in slices, shape [rows, classes] each."""
        if self.robust == "none":
            yield from server.tally.means()
            return
        for stack in server.stacks():
            mean = self._centre(np.asarray(stack, np.float64))
            yield to_probabilities(mean) if server.tally.kind is Kind.PROBABILITIES else mean

    def _centre(self, stack: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.robust == "median":
            return np.median(stack, axis=0)
        # Rounded up, for none of three would be no defence; but 0.07 * 100 must not become 8 for a last bit's sake.
        most = math.ceil(self.attackers * len(stack) - 1e-9)
        return trimmed_mean(stack, most) if self.robust == "trimmed" else filtered_mean(stack, most)


def to_probabilities(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row over its sum, shape [rows, classes]; uniform where nothing is left of it."""
    sums = rows.sum(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[1])
    return scaled


def trimmed_mean(stack: NDArray[np.float64], cut: int) -> NDArray[np.float64]:
    """Return the means without the `cut` largest and smallest values of each; [clients, ...] to [...].

    At least one value of each is left: fewer are cut where there are too few clients.
    """
    cut = min(cut, (len(stack) - 1) // 2)
    mean: NDArray[np.float64] = np.sort(stack, axis=0)[cut : len(stack) - cut].mean(axis=0)
    return mean


def filtered_mean(stack: NDArray[np.float64], drop: int) -> NDArray[np.float64]:
    """Return the means without the `drop` furthest clients of each row; [clients, rows, classes] to [rows, classes].

    At most so many that more are left. One is dropped at a time: the furthest from the median along the direction in
    which those that are left vary most.
    """
    left = np.moveaxis(stack, 0, 1)  # [rows, clients, classes]
    for _ in range(min(drop, (len(stack) - 1) // 2)):
        centred = left - left.mean(axis=1, keepdims=True)
        _, directions = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)
        along: NDArray[Any] = (centred @ directions[:, :, -1:])[:, :, 0]  # [rows, clients]
        furthest = np.abs(along - np.median(along, axis=1, keepdims=True)).argmax(axis=1)
        kept = np.arange(left.shape[1]) != furthest[:, None]
        left = left[kept].reshape(len(left), -1, left.shape[2])
    mean: NDArray[np.float64] = left.mean(axis=1)
    return mean
