"""What learners minimise, against numbers worked out by hand."""

from math import log

import pytest
import torch

from limbeck_common.learning.losses import hard_loss, predictions, scores_of, soft_loss


def test_cross_entropy_of_a_class_and_of_a_class_per_position() -> None:
    scores = torch.tensor([[0.0, log(3)], [0.0, 0.0]])
    expected = (-log(0.75) + log(2)) / 2
    assert hard_loss("classification")(scores, torch.tensor([1, 0])).item() == pytest.approx(expected)
    dense = scores.reshape(1, 2, 2)  # one row of two positions
    assert hard_loss("classification")(dense, torch.tensor([[1, 0]])).item() == pytest.approx(expected)


def test_class_weights_make_a_mean_by_weight() -> None:
    scores = torch.tensor([[0.0, log(3)], [0.0, 0.0]])
    loss = hard_loss("classification", torch.tensor([3.0, 1.0]))(scores, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx((-log(0.75) + 3 * log(2)) / 4)


def test_labels_and_numbers_have_losses_of_their_own() -> None:
    scores, wanted = torch.tensor([[0.0, log(3)]]), torch.tensor([[1.0, 1.0]])
    assert hard_loss("multilabel")(scores, wanted).item() == pytest.approx((log(2) - log(0.75)) / 2)
    assert hard_loss("regression")(torch.tensor([[1.0, 3.0]]), wanted).item() == pytest.approx(2.0)
    assert soft_loss("regression", 3.0)(torch.tensor([[1.0, 3.0]]), wanted).item() == pytest.approx(2.0)


def test_the_temperature_is_on_both_sides_and_its_square_scales_the_loss() -> None:
    scores, wanted = torch.tensor([[2 * log(3), 0.0]]), torch.tensor([[0.8, 0.2]])
    # At T = 2 the scores say 3/4 and 1/4; of 4/5 and 1/5, the square roots say 2/3 and 1/3.
    expected = 4 * (-2 / 3 * log(0.75) - 1 / 3 * log(0.25))
    assert soft_loss("classification", 2.0)(scores, wanted).item() == pytest.approx(expected, rel=1e-6)


def test_labels_have_a_temperature_on_both_sides_too() -> None:
    scores, wanted = torch.tensor([[2 * log(3)]]), torch.tensor([[0.8]])
    # At T = 2 the score says 3/4; 4/5, whose odds are 4, says 2/3.
    expected = 4 * (-2 / 3 * log(0.75) - 1 / 3 * log(0.25))
    assert soft_loss("multilabel", 2.0)(scores, wanted).item() == pytest.approx(expected, rel=1e-6)


def test_without_a_temperature_the_loss_is_the_cross_entropy_itself() -> None:
    scores, wanted = torch.tensor([[log(3), 0.0]]), torch.tensor([[0.8, 0.2]])
    expected = -0.8 * log(0.75) - 0.2 * log(0.25)
    assert soft_loss("classification")(scores, wanted).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_model_that_predicts_the_target_is_at_rest_at_any_temperature(task: str) -> None:
    scores = torch.tensor([[1.0, -0.5, 0.3]], requires_grad=True)
    target = predictions(task, scores.detach())
    for temperature in (1.0, 3.0):
        (gradient,) = torch.autograd.grad(soft_loss(task, temperature)(scores, target), scores)
        assert gradient.abs().max().item() < 1e-6


def test_a_sure_target_at_a_temperature_stays_finite() -> None:
    loss = soft_loss("classification", 4.0)(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(soft_loss("multilabel", 4.0)(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))))


def test_an_object_with_logits_does_for_a_tensor() -> None:
    class Output:
        logits = torch.ones(2, 3)

    assert scores_of(Output()).shape == (2, 3)
    assert scores_of(torch.ones(4, 3)).shape == (4, 3)
    assert predictions("regression", torch.tensor([[5.0]])).tolist() == [[5.0]]
