"""From a model's name to a learner."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Learner
from limbeck_common.support.plugins import call_plugin, is_plugin, load_plugin

BUILT_IN = ("cnn", "cnn-dsfl", "forest", "mlp", "resnet8", "resnet18")


def make_learner(model: str, spec: Spec, seed: int, device: str = "auto") -> Learner:
    """Return the learner called `model`: a built-in one, or the one that `package.module:callable` makes.

    The callable gets those of `classes`, `sample_shape` and `seed` that it names, and returns a torch module or an
    object with `Learner`'s functions.

    Raises:
        SettingsError: there is no such model or device, or a library that it needs is not installed.
        UserCodeError: the user's callable fails, or returns something else.
    """
    if not is_plugin(model) and model not in BUILT_IN:
        raise SettingsError(
            f"unknown model {model!r}", expected=f"one of {', '.join(BUILT_IN)}, or package.module:callable"
        )
    if is_plugin(model):
        made = _call_seeded(model, spec, seed)
        if hasattr(made, "distill"):
            learner: Learner = made
            return learner
        return _torch_learner(lambda: made, spec, seed, device)
    if model == "forest":
        return _forest(spec.output.width, seed)
    return _torch_learner(model, spec, seed, device)


def _call_seeded(name: str, spec: Spec, seed: int) -> Any:
    load_plugin(name)
    torch = sys.modules.get("torch")  # loaded if the user's module imported it: its layers must start from our seed
    with nullcontext() if torch is None else torch.random.fork_rng([]):
        if torch is not None:
            torch.manual_seed(seed)
        return call_plugin(name, classes=spec.output.width, sample_shape=spec.sample_shape, seed=seed)


def _forest(classes: int, seed: int) -> Learner:
    try:
        from limbeck_common.learning.forest import forest  # noqa: PLC0415 - imports scikit-learn
    except ImportError as error:
        raise SettingsError(
            f"model forest needs scikit-learn: {error}", remedy="pip install 'limbeck[sklearn]'"
        ) from error
    return forest(classes, seed)


def _torch_learner(model: str | Callable[[], Any], spec: Spec, seed: int, device: str) -> Learner:
    try:
        from limbeck_common.runtime.make_torch_learner import make_torch_learner  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise SettingsError(
            f"this model needs torch: {error}", remedy="pip install 'limbeck[torch]', or bring another learner"
        ) from error
    return make_torch_learner(model, spec, seed, device)
