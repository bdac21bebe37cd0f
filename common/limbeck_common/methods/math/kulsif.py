"""KuLSIF: the ratio of two densities, from a sample of each.

T. Kanamori, T. Suzuki, M. Sugiyama, "Statistical analysis of kernel-based least-squares density-ratio estimation",
Machine Learning 86, 2012, theorem 1: for rows x_i of the denominator (m of them) and y_j of the numerator (n), the
ratio's estimate is w(z) = sum of a_i k(z, x_i) + 1 / (n lambda) * sum of k(z, y_j), where a solves
(K11 / m + lambda I) a = -1 / (n m lambda) * K12 1, with K11 the kernel among the x_i and K12 between x_i and y_j.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ROWS = 1000  # rows whose kernels are in memory at a time


def density_ratio(numerator: Floats, denominator: Floats, width: float, strength: float) -> Callable[[Floats], Floats]:
    """Return w, a function of rows, shape [rows, features], to ratios, shape [rows].

    `numerator` and `denominator` are samples of the two densities, `width` is the Gaussian kernel's, `strength` is
    lambda.
    """
    m = len(denominator)
    regular = gaussian(denominator, denominator, width) / m + strength * np.eye(m)
    weights = np.linalg.solve(regular, -gaussian(denominator, numerator, width).mean(axis=1) / (m * strength))

    def ratio(rows: Floats) -> Floats:
        found = [np.zeros(0)]
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            known = gaussian(part, numerator, width).mean(axis=1) / strength
            found.append(gaussian(part, denominator, width) @ weights + known)
        return np.concatenate(found)

    return ratio


def gaussian(a: Floats, b: Floats, width: float) -> Floats:
    """Return exp(-|a_i - b_j|^2 / (2 width^2)), shape [rows of a, rows of b]."""
    squares: Any = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    kernel: Floats = np.exp(-np.maximum(squares, 0) / (2 * width**2))
    return kernel


def standardised(x: NDArray[np.generic], open_set: NDArray[np.generic]) -> Floats:
    """Return rows as features, shape [rows, features], in the open set's standard deviations over sqrt(features).

    The distance between two rows is then their root mean square difference per pixel.
    """
    flat = x.reshape(len(x), -1).astype(np.float64)
    every = open_set.astype(np.float64)
    mean, spread = every.mean(), every.std() or 1.0
    features: Floats = (flat - mean) / (spread * math.sqrt(flat.shape[1]))
    return features
