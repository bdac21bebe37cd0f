"""From a model's name to a learner."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Predictor
from limbeck_common.support.plugins import call_plugin, is_plugin, load_plugin

BUILT_IN = ("cnn", "cnn-dsfl", "forest", "mlp", "resnet8", "resnet18")


def make_learner(model: str, spec: Spec, seed: int, device: str = "auto") -> Predictor:
    """Return the learner called `model`: a built-in one, or the one that `package.module:callable` makes.

    The callable gets those of `classes`, `sample_shape`, `seed` and `spec` that it names. It returns a torch module, or
    one with its `Training`; an estimator with scikit-learn's interface; or an object with `Learner`'s functions, of
    which `predict` is enough.

    Raises:
        SettingsError: there is no such model or device, or a library that it needs is not installed.
        UserCodeError: the user's callable fails, or returns something else.
    """
    if not is_plugin(model) and model not in BUILT_IN:
        raise SettingsError(
            f"unknown model {model!r}", expected=f"one of {', '.join(BUILT_IN)}, or package.module:callable"
        )
    if is_plugin(model):
        return _own_learner(_call_seeded(model, spec, seed), spec, seed, device)
    if model == "forest":
        return _forest(spec, seed)
    return _torch_learner(model, spec, seed, device)


def _own_learner(made: Any, spec: Spec, seed: int, device: str) -> Predictor:
    """Return the learner that what the user's callable made stands for."""
    if hasattr(made, "get_params") and hasattr(made, "fit"):  # every estimator of scikit-learn's has both
        from limbeck_common.learning.sklearn_learner import SklearnLearner  # noqa: PLC0415 - few need it

        return SklearnLearner(made, spec.output)
    torch = sys.modules.get("torch")
    if hasattr(made, "predict") and not (torch is not None and isinstance(made, torch.nn.Module)):
        learner: Predictor = made
        return learner
    return _torch_learner(lambda: made, spec, seed, device)


def _call_seeded(name: str, spec: Spec, seed: int) -> Any:
    load_plugin(name)
    torch = sys.modules.get("torch")  # loaded if the user's module imported it: its layers must start from our seed
    with nullcontext() if torch is None else torch.random.fork_rng([]):
        if torch is not None:
            torch.manual_seed(seed)
        return call_plugin(name, classes=spec.output.width, sample_shape=spec.sample_shape, seed=seed, spec=spec)


def _forest(spec: Spec, seed: int) -> Predictor:
    try:
        from limbeck_common.learning.forest import forest  # noqa: PLC0415 - imports scikit-learn
    except ImportError as error:
        raise SettingsError(
            f"model forest needs scikit-learn: {error}", remedy="pip install 'limbeck[sklearn]'"
        ) from error
    return forest(spec.output, seed)


def _torch_learner(model: str | Callable[[], Any], spec: Spec, seed: int, device: str) -> Predictor:
    try:
        from limbeck_common.runtime.make_torch_learner import make_torch_learner  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise SettingsError(
            f"this model needs torch: {error}", remedy="pip install 'limbeck[torch]', or bring another learner"
        ) from error
    return make_torch_learner(model, spec, seed, device)
