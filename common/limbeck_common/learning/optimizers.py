"""Stochastic gradient descent and Adam, with state that the caller keeps.

The arithmetic is torch's own, through its functional optimizers. Its optimizer classes would load torch's compiler,
900 modules and seconds on a small machine, before their first step; the functions load nothing.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from limbeck_common.core.spec import Recipe

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_STEPS = "steps"


class Optimizer:
    """Takes steps with the recipe's optimizer.

    `slots`, which the caller keeps, holds what the optimizer remembers of each parameter, under NUMBER.NAME.
    """

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
        """Move each parameter that has a gradient."""
        moved = {number: each for number, each in enumerate(self._parameters) if each.grad is not None}
        parameters: list[Tensor] = list(moved.values())
        gradients = [each.grad for each in moved.values() if each.grad is not None]
        if self._adam:
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
                lr=self._rate,
                weight_decay=0.0,
                eps=_EPSILON,
                maximize=False,
            )
            return
        velocities: list[Tensor | None] = [
            self._slot(number, "momentum", each) if self._momentum else None for number, each in moved.items()
        ]
        sgd(
            parameters,
            gradients,
            velocities,
            foreach=False,
            fused=False,
            weight_decay=0.0,
            momentum=self._momentum,
            lr=self._rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _slot(self, number: int, name: str, like: Tensor) -> Tensor:
        key = f"{number}.{name}"
        if key not in self._slots:
            self._slots[key] = torch.zeros_like(like)
        return self._slots[key]


def placed(slots: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return copies of slots on the device of their parameters. Adam's step counts stay on the CPU.

    Adam reads each count as a number at every step, which on a GPU would wait for all the work before it.
    """
    return {
        name: value.clone() if name.endswith(f".{_STEPS}") else value.clone().to(device)
        for name, value in slots.items()
    }
