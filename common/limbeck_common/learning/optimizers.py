"""Stochastic gradient descent and Adam, a few lines each.

torch.optim loads torch's compiler, 900 modules and seconds on a small machine, before its first step; a client that
starts on an edge device would pay that each time. The arithmetic is torch.optim's.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from limbeck_common.core.spec import Recipe

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Optimizer:
    """Moves parameters. `slots`, which the caller keeps, holds what is remembered of each, under NUMBER.NAME."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], slots: dict[str, Tensor], recipe: Recipe, rate: float
    ) -> None:
        self._slots = slots
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._adam = recipe.optimizer == "adam"
        self._momentum = recipe.momentum
        self._rate = rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter along its gradient."""
        for number, parameter in enumerate(self._parameters):
            if parameter.grad is None:
                continue
            if self._adam:
                self._adam_step(number, parameter, parameter.grad)
            elif self._momentum:
                velocity = self._slot(number, "momentum", parameter).mul_(self._momentum).add_(parameter.grad)
                parameter.add_(velocity, alpha=-self._rate)
            else:
                parameter.add_(parameter.grad, alpha=-self._rate)

    def _adam_step(self, number: int, parameter: Tensor, gradient: Tensor) -> None:
        """Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1."""
        steps = self._slot(number, "steps", torch.zeros(())).add_(1)
        first = self._slot(number, "first", parameter).lerp_(gradient, 1 - _BETA1)
        second = self._slot(number, "second", parameter).mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        count = float(steps)
        spread = (second.sqrt() / (1 - _BETA2**count) ** 0.5).add_(_EPSILON)
        parameter.addcdiv_(first, spread, value=-self._rate / (1 - _BETA1**count))

    def _slot(self, number: int, name: str, like: Tensor) -> Tensor:
        key = f"{number}.{name}"
        if key not in self._slots:
            self._slots[key] = torch.zeros_like(like)
        return self._slots[key]
