"""Our max pooling is torch's, in values and gradients."""

import pytest
import torch
from torch.nn import functional as F

from limbeck_common.learning.networks.max_pooling import max_pool2


@pytest.mark.parametrize("size", [(2, 2), (8, 6), (5, 7)])
def test_values_and_gradients_are_those_of_max_pool2d(size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, *size, generator=random).requires_grad_()
    ours, theirs = max_pool2(x), F.max_pool2d(x, 2)
    gradient = torch.randn(ours.shape, generator=random)
    assert torch.equal(ours, theirs)
    assert torch.equal(*(torch.autograd.grad(out, x, gradient)[0] for out in (ours, theirs)))


def test_of_equal_values_one_takes_the_gradient() -> None:
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(max_pool2(x), x, torch.ones(1, 1, 2, 2))
    assert torch.equal(F.avg_pool2d(gradient, 2, divisor_override=1), torch.ones(1, 1, 2, 2))
    assert int((gradient != 0).sum()) == 4
