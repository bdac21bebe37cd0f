"""Learners that train a torch module: importing this imports torch."""

from collections.abc import Callable
from typing import Any

import torch

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.networks.models import build_model, pick_device
from limbeck_common.learning.torch_learner import TorchLearner
from limbeck_common.learning.training import Training
from limbeck_common.methods.registry import make_method


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

    def make_module() -> torch.nn.Module | Training:
        if isinstance(model, str):
            return build_model(model, spec.sample_shape, spec.output.width, make_method(spec.method).feature_width)
        made = model()
        if not isinstance(made, torch.nn.Module | Training):
            raise UserCodeError(
                f"the model is a {type(made).__name__}",
                expected="a torch.nn.Module or a Training, an estimator with fit, or an object with predict",
            )
        return made

    try:
        return TorchLearner(make_module, spec, seed, chosen)
    except (RuntimeError, AssertionError) as error:  # torch raises either where the device is absent
        raise SettingsError(f"cannot use device {chosen}: {error}", remedy="try the device cpu") from error
