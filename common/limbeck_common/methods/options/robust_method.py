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

from limbeck_common.core.kinds import Kind
from limbeck_common.methods.math.robust_means import filtered_mean, to_probabilities, trimmed_mean
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound


class RobustMethod(Method):
    """A method of open rows whose mean over clients may be a robust one."""

    robust: Annotated[
        Literal["none", "median", "trimmed", "cronus"], Field(description="How the clients' predictions are averaged.")
    ] = "none"
    attackers: Annotated[float, Field(ge=0, lt=0.5, description="Share of a round's uplinks that may be hostile.")] = (
        0.2
    )

    def means(self, server: ServerRound, part: str) -> Iterator[NDArray[np.float64]]:
        """Yield the means over the clients of the rows that a part was asked for, in slices of shape [rows, classes].

        Class scores are defined up to a constant per row, which the mean ignores and a median does not: each client's
        rows are centred first.
        """
        if self.robust == "none":
            yield from server.means(part)
            return
        kind = server.tally(part).kind
        for stack in server.stacks(part):
            wide = np.asarray(stack, np.float64)
            if kind is Kind.LOGITS:
                wide -= wide.mean(axis=-1, keepdims=True)
            mean = self._centre(wide)
            yield to_probabilities(mean) if kind is Kind.PROBABILITIES else mean

    def _centre(self, stack: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.robust == "median":
            return np.median(stack, axis=0)
        # Rounded up: dropping none of three would be no defence. But the last bit of 0.07 * 100 must not make it 8.
        most = math.ceil(self.attackers * len(stack) - 1e-9)
        return trimmed_mean(stack, most) if self.robust == "trimmed" else filtered_mean(stack, most)
