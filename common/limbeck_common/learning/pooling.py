"""2 x 2 max pooling, faster than torch's on a CPU: a tenth of a small network's training step."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it


def max_pool2(x: Tensor) -> Tensor:
    """Return the maxima of 2 x 2 windows, shape [rows, channels, height // 2, width // 2].

    The values and gradients are those of `max_pool2d`, which on a CPU handles one element at a time. Of equal values in
    a window one takes the gradient, as there, but not always the same one.
    """
    if x.device.type != "cpu" or x.shape[2] % 2 or x.shape[3] % 2:
        return F.max_pool2d(x, 2)
    halved: Tensor = _Halve.apply(x)
    return halved


class _Halve(torch.autograd.Function):
    """The larger of each two rows, then of each two columns. Of equals the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        top, bottom = x[:, :, 0::2], x[:, :, 1::2]
        rows = torch.maximum(top, bottom)
        left, right = rows[..., 0::2], rows[..., 1::2]
        ctx.save_for_backward(top >= bottom, left >= right)
        return torch.maximum(left, right)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        upper, lefter = ctx.saved_tensors
        images, channels, height, width = gradient.shape
        rows = gradient.new_empty(images, channels, height, 2 * width)
        rows[..., 0::2] = gradient * lefter
        rows[..., 1::2] = gradient - rows[..., 0::2]
        x = gradient.new_empty(images, channels, 2 * height, 2 * width)
        x[:, :, 0::2] = rows * upper
        x[:, :, 1::2] = rows - x[:, :, 0::2]
        return x
