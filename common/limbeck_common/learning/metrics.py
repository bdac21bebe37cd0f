"""How well a learner predicts labelled rows."""

import numpy as np

from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import Learner


def evaluate(learner: Learner, examples: Examples) -> dict[str, float]:
    """Return the accuracy, and the mean negative log-likelihood in nats as `loss`, on labelled rows."""
    probabilities = learner.predict(examples.x)
    hits = probabilities.argmax(axis=1) == examples.y
    likelihood = probabilities[np.arange(len(examples.y)), examples.y].astype(np.float64)
    return {"accuracy": float(hits.mean()), "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean())}
