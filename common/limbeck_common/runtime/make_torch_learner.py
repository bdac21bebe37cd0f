"""Learners that train a torch module: importing this imports torch."""

from collections.abc import Callable
from typing import Any

import torch

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.models import build_model, pick_device
from limbeck_common.learning.torch_learner import TorchLearner


def make_torch_learner(model: str | Callable[[], Any], spec: Spec, seed: int, device: str) -> TorchLearner:
    """Return a learner that trains a built-in model, given by its name, or what `model` returns.

    Raises:
        SettingsError: there is no such device.
        UserCodeError: `model` did not return a torch module.
    """
    try:
        chosen = pick_device(device)
    except RuntimeError as error:
        raise SettingsError(f"unknown device {device!r}", expected="auto, cpu, cuda, cuda:1 or mps") from error

    def make_module() -> torch.nn.Module:
        module = build_model(model, spec.sample_shape, spec.output.width) if isinstance(model, str) else model()
        if not isinstance(module, torch.nn.Module):
            raise UserCodeError(
                f"the model is a {type(module).__name__}",
                expected="a torch.nn.Module, or an object with fit and distill",
            )
        return module

    try:
        return TorchLearner(make_module, spec, seed, chosen)
    except (RuntimeError, AssertionError) as error:  # torch raises either where the device is absent
        raise SettingsError(f"cannot use device {chosen}: {error}", remedy="try the device cpu") from error
