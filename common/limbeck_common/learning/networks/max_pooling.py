"""2 x 2 max pooling that on a CPU is faster than torch's: it saves a tenth of a small network's training step."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def max_pool2(x: Tensor) -> Tensor:
    """Return the maxima of 2 x 2 windows, shape [rows, channels, height // 2, width // 2].

    Values and gradients are those of `max_pool2d`, which on a CPU handles one element at a time. Of equal values in a
    window one takes the gradient, as there, but not always the same one.
    """
    if x.device.type != "cpu" or x.shape[2] % 2 or x.shape[3] % 2:
        return F.max_pool2d(x, 2)
    halved: Tensor = _Halve.apply(x)
    return halved


class _Halve(torch.autograd.Function):
    """The larger of each two rows, then of each two columns; of equal values the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        images, channels, height, width = ctx.size = x.shape
        top, bottom = x.reshape(-1, 2, width).unbind(1)
        rows = torch.maximum(top, bottom)
        left, right = (column.contiguous() for column in rows.view(-1, 2).unbind(1))
        ctx.save_for_backward(top >= bottom, left >= right)
        return torch.maximum(left, right).view(images, channels, height // 2, width // 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        upper, lefter = ctx.saved_tensors
        gradient = gradient.reshape(-1)
        left = gradient * lefter
        # The fastest way to interleave two columns is to make one complex column of them.
        rows = torch.view_as_real(torch.complex(left, gradient - left)).view_as(upper)
        x = gradient.new_empty(len(rows), 2, rows.shape[1])
        torch.mul(rows, upper, out=x[:, 0])
        torch.sub(rows, x[:, 0], out=x[:, 1])
        return x.view(ctx.size)
