"""The softmax of rows, in float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def softmax(scores: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return each row's softmax of scores / T along the last axis; the shape stays.

    >>> softmax(np.array([[0.0, np.log(3.0)]]))
    array([[0.25, 0.75]])
    """
    scaled = np.asarray(scores, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
