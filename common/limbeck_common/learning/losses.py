"""What a torch learner minimises, by task: towards labels, and towards predictions. Importing this imports torch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
"""From scores, [rows, *row_shape], and targets to a scalar."""

_SMALLEST = 1e-12  # of a probability, before its logarithm


def hard_loss(task: str, class_weights: Tensor | None = None) -> Loss:
    """Return the loss towards labels: cross-entropy, binary cross-entropy, or the mean squared error.

    Targets are classes, [rows, *shape]; labels of 0 and 1, [rows, *row_shape]; or numbers, [rows, *row_shape].
    """
    match task:
        case "classification":

            def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
                return F.cross_entropy(scores.flatten(0, -2), targets.flatten(), class_weights)

            return cross_entropy
        case "multilabel":
            return F.binary_cross_entropy_with_logits
        case _:
            return F.mse_loss


def soft_loss(task: str, temperature: float = 1.0) -> Loss:
    """Return the loss towards another model's predictions, [rows, *row_shape], with the temperature on both sides.

    G. Hinton, O. Vinyals, J. Dean 2015 (arXiv 1503.02531): T^2 times the cross-entropy of the two distributions, each
    at temperature T, whose gradient is that of the KL divergence. Numbers have no temperature.
    """
    match task:
        case "classification":

            def divergence(scores: Tensor, targets: Tensor) -> Tensor:
                flat, wanted = scores.flatten(0, -2), targets.flatten(0, -2)
                if temperature == 1.0:
                    return F.cross_entropy(flat, wanted)
                wanted = (wanted.clamp(min=_SMALLEST).log() / temperature).softmax(dim=1)
                return temperature**2 * F.cross_entropy(flat / temperature, wanted)

            return divergence
        case "multilabel":

            def binary(scores: Tensor, targets: Tensor) -> Tensor:
                wanted = (torch.logit(targets, _SMALLEST) / temperature).sigmoid()
                return temperature**2 * F.binary_cross_entropy_with_logits(scores / temperature, wanted)

            return binary
        case _:
            return F.mse_loss


def predictions(task: str, scores: Tensor) -> Tensor:
    """Return what scores predict: probabilities, memberships, or the scores themselves."""
    match task:
        case "classification":
            return scores.softmax(dim=-1)
        case "multilabel":
            return scores.sigmoid()
        case _:
            return scores


def scores_of(output: Any) -> Tensor:
    """Return the scores in what a module returns: a tensor, or an object with `logits`, as transformers' models do."""
    scores: Tensor = output if isinstance(output, Tensor) else output.logits
    return scores
