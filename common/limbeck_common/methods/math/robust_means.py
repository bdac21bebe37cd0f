"""Means over clients that a few hostile clients cannot move far.

Coordinate median and trimmed mean: D. Yin, Y. Chen, K. Ramchandran, P. Bartlett, "Byzantine-Robust Distributed
Learning: Towards Optimal Statistical Rates", ICML 2018 (arXiv 1803.01498), definitions 1 and 2. Filtered mean: the
robust mean of I. Diakonikolas et al., "Being Robust (in High Dimensions) Can Be Practical", ICML 2017 (arXiv
1703.00893): along the direction in which the clients' predictions vary most, drop those that are furthest out, and look
again.

Departure: the filter drops one client per row as many times as there may be attackers, instead of cutting a tail until
the variance is below a bound, for which the covariance of honest predictions would have to be known.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_probabilities(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row divided by its sum, shape [rows, classes]; uniform where the sum is 0.

    >>> to_probabilities(np.array([[0.5, 0.25], [0.0, 0.0]])).round(3)
    array([[0.667, 0.333],
           [0.5  , 0.5  ]])
    """
    sums = rows.sum(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[1])
    return scaled


def trimmed_mean(stack: NDArray[np.float64], cut: int) -> NDArray[np.float64]:
    """Return the means without the `cut` largest and the `cut` smallest values; from [clients, ...] to [...].

    At least one value stays: fewer are cut where there are too few clients.

    >>> trimmed_mean(np.array([[0.0], [1.0], [2.0], [90.0]]), cut=1)
    array([1.5])
    """
    cut = min(cut, (len(stack) - 1) // 2)
    mean: NDArray[np.float64] = np.sort(stack, axis=0)[cut : len(stack) - cut].mean(axis=0)
    return mean


def filtered_mean(stack: NDArray[np.float64], drop: int) -> NDArray[np.float64]:
    """Return the means without the `drop` furthest clients of each row; [clients, rows, classes] to [rows, classes].

    Fewer than half of the clients are dropped, one at a time: the furthest from the median along the direction in
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
