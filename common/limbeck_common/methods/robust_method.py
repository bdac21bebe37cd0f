"""A method whose mean over clients may be a robust one; all its clients predict the same open rows.

Coordinate median and trimmed mean: D. Yin, Y. Chen, K. Ramchandran, P. Bartlett, "Byzantine-Robust Distributed
Learning: Towards Optimal Statistical Rates", ICML 2018 (arXiv 1803.01498), definitions 1 and 2. Cronus: H. Chang,
V. Shejwalkar, R. Shokri, A. Houmansadr, "Cronus: Robust and Heterogeneous Collaborative Learning with Black-Box
Knowledge Transfer", 2019 (arXiv 1912.11279), which takes the filtered mean for each open row. The arithmetic is in
`math/robust_means.py`.

Departures: of Cronus, only the mean is here. A median of probabilities is scaled back to a sum of 1. There is no exact
sum of medians: these means read all uplinks of a round again, which stay in the store, a slice of the rows at a time.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limbeck_common.core.messages import Kind
from limbeck_common.methods.math.robust_means import filtered_mean, to_probabilities, trimmed_mean
from limbeck_common.methods.method import Method, ServerRound


class RobustMethod(Method):
    """A method of open rows whose mean over clients may be a robust one."""

    robust: Annotated[
        Literal["none", "median", "trimmed", "cronus"], Field(description="How the clients' predictions are averaged.")
    ] = "none"
    attackers: Annotated[float, Field(ge=0, lt=0.5, description="Share of a round's uplinks that may be hostile.")] = (
        0.2
    )

    def means(self, server: ServerRound) -> Iterator[NDArray[np.float64]]:
        """Yield the means of the wanted rows over the clients, in slices of shape [rows, classes]."""
        if self.robust == "none":
            yield from server.tally.means()
            return
        for stack in server.stacks():
            mean = self._centre(np.asarray(stack, np.float64))
            yield to_probabilities(mean) if server.tally.kind is Kind.PROBABILITIES else mean

    def _centre(self, stack: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.robust == "median":
            return np.median(stack, axis=0)
        # Rounded up: dropping none of three would be no defence. But the last bit of 0.07 * 100 must not make it 8.
        most = math.ceil(self.attackers * len(stack) - 1e-9)
        return trimmed_mean(stack, most) if self.robust == "trimmed" else filtered_mean(stack, most)
