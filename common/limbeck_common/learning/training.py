"""What the owner of a torch model may say of its training beyond the recipe. Importing this imports torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Training:
    """A module with its training; a user's `--model package.module:callable` may return one in place of a module.

    `optimizer` makes the optimizer from the parameters; `schedule` gives the factor of its learning rates where a share
    of the federation's training, from 0 to 1, is over; `augment` changes a batch of private inputs, as the module gets
    them, in training alone. A callable that names `spec` gets the federation's specification.

    >>> linear = nn.Linear(4, 2)
    >>> owned = Training(linear, optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.001))
    >>> owned.module is linear
    True
    """

    module: nn.Module
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None
    schedule: Callable[[float], float] | None = None
    augment: Callable[[Tensor], Tensor] | None = None


class OwnOptimizer:
    """Takes steps with the owner's optimizer, whose state is kept as `Optimizer`'s is, under NUMBER.NAME."""

    def __init__(self, optimizer: torch.optim.Optimizer, slots: dict[str, Tensor], schedule: Any) -> None:
        self._optimizer = optimizer
        self._slots = slots
        self._schedule = schedule
        self._rates = [group["lr"] for group in optimizer.param_groups]
        if slots:
            optimizer.load_state_dict({**optimizer.state_dict(), "state": _nested(slots)})

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad()

    def step(self, progress: float) -> None:
        """Take a step where a share `progress` of the federation's training is over."""
        if self._schedule is not None:
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * self._schedule(progress)
        self._optimizer.step()

    def keep(self) -> None:
        """Bring the kept state up to date."""
        self._slots.clear()
        for number, values in self._optimizer.state_dict()["state"].items():
            self._slots |= {f"{number}.{name}": torch.as_tensor(value) for name, value in values.items()}


def _nested(slots: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in slots.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value.clone()
    return state
