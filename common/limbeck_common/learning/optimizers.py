"""Stochastic gradient descent, Adam and AdamW, with state that the caller keeps.

The arithmetic is torch's own, through its functional optimizers. Its optimizer classes would load torch's compiler,
900 modules and seconds on a small machine, before their first step; the functions load nothing.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from limbeck_common.core.recipe import Steps

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_STEPS = "steps"


class Optimizer:
    """Takes steps with the recipe's optimizer.

    `slots`, which the caller keeps, holds what the optimizer remembers of each parameter, under NUMBER.NAME.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], slots: dict[str, Tensor], recipe: Steps) -> None:
        self._slots = slots
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._recipe = recipe

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move each parameter that has a gradient, at this learning rate."""
        moved = {number: each for number, each in enumerate(self._parameters) if each.grad is not None}
        parameters: list[Tensor] = list(moved.values())
        gradients = [each.grad for each in moved.values() if each.grad is not None]
        if self._recipe.clip:
            _clip(gradients, self._recipe.clip)
        if self._recipe.optimizer == "sgd":
            self._sgd(moved, parameters, gradients, rate)
            return
        decay = self._recipe.weight_decay
        if self._recipe.optimizer == "adamw":
            for each in parameters:
                each.mul_(1 - rate * decay)
            decay = 0.0
        adam(
            parameters,
            gradients,
            exp_avgs=[self._slot(number, "first", each) for number, each in moved.items()],
            exp_avg_sqs=[self._slot(number, "second", each) for number, each in moved.items()],
            max_exp_avg_sqs=[],
            state_steps=[self._slot(number, _STEPS, torch.zeros(())) for number in moved],
            foreach=False,
            fused=False,
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=rate,
            weight_decay=decay,
            eps=_EPSILON,
            maximize=False,
        )

    def _sgd(self, moved: Mapping[int, Tensor], parameters: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        momentum = self._recipe.momentum
        velocities: list[Tensor | None] = [
            self._slot(number, "momentum", each) if momentum else None for number, each in moved.items()
        ]
        sgd(
            parameters,
            gradients,
            velocities,
            foreach=False,
            fused=False,
            weight_decay=self._recipe.weight_decay,
            momentum=momentum,
            lr=rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _slot(self, number: int, name: str, like: Tensor) -> Tensor:
        key = f"{number}.{name}"
        if key not in self._slots:
            self._slots[key] = torch.zeros_like(like)
        return self._slots[key]


def _clip(gradients: list[Tensor], most: float) -> None:
    """Scale gradients so that their norm together is at most `most`."""
    norm = torch.stack([each.float().norm() for each in gradients]).norm()
    factor = (most / (norm + 1e-6)).clamp(max=1.0)
    for each in gradients:
        each.mul_(factor)


def placed(slots: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return copies of slots on the device of their parameters. Adam's step counts stay on the CPU.

    Adam reads each count as a number at every step, which on a GPU would wait for all the work before it.
    """
    return {
        name: value.clone() if name.endswith(f".{_STEPS}") else value.clone().to(device)
        for name, value in slots.items()
    }
