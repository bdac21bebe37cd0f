"""k-means from pairwise distances: the points themselves are never needed side by side."""

import numpy as np
from numpy.typing import NDArray

_STEPS = 100  # far more than so few points need to settle


def kmeans(squares: NDArray[np.float64], clusters: int) -> list[int]:
    """Return each point's cluster, from the points' squared distances, shape [points, points].

    Clusters are numbered by their first point. Starts are the first point and those furthest from the starts so far.
    The squared distance to a cluster's mean is the mean squared distance to its points, less half of the mean among
    them.

    >>> points = np.array([0.0, 0.1, 5.0, 5.1])
    >>> kmeans((points[:, None] - points) ** 2, clusters=2)
    [0, 0, 1, 1]
    """
    starts = [0]
    while len(starts) < min(clusters, len(squares)):
        starts.append(int(squares[:, starts].min(axis=1).argmax()))
    labels = squares[:, starts].argmin(axis=1)
    for _ in range(_STEPS):
        members = [np.flatnonzero(labels == cluster) for cluster in np.unique(labels)]
        means = [squares[:, each].mean(axis=1) - squares[np.ix_(each, each)].mean() / 2 for each in members]
        found = np.argmin(means, axis=0)
        if np.array_equal(found, labels):
            break
        labels = found
    order = list(dict.fromkeys(labels.tolist()))
    return [order.index(label) for label in labels.tolist()]
