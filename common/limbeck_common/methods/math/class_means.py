"""Means by class, as several methods send them."""

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Rows


def class_means(
    values: NDArray[np.float32], y: NDArray[np.int64]
) -> tuple[Rows, NDArray[np.float32], NDArray[np.int64]]:
    """Return the classes that occur in `y`, the mean of `values`, [rows, width], and the number of rows of each.

    >>> classes, means, counts = class_means(np.float32([[1, 0], [0, 1], [0.5, 0.5]]), np.array([1, 1, 0]))
    >>> classes.indices, means, counts
    (array([0, 1]), array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32), array([1, 2]))
    """
    classes, counts = np.unique(y, return_counts=True)
    means = [values[y == each].mean(axis=0, dtype=np.float64) for each in classes]
    return Rows(classes.astype(np.int64)), np.stack(means).astype(np.float32), counts.astype(np.int64)
