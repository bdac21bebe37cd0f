"""From names to a participant: which learner, which data."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from limbeck_common.core.errors import DataError, SettingsError, UserCodeError
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.registry import Examples, ParticipantData, load_participant
from limbeck_common.learning.learner import Learner
from limbeck_common.support.plugins import call_plugin, is_plugin, load_plugin

BUILT_IN = ("cnn", "cnn-dsfl", "forest", "mlp", "resnet8", "resnet18")


def make_learner(model: str, spec: Spec, seed: int, device: str = "auto") -> Learner:
    """Return the learner called `model`: a built-in one, or `package.module:callable`.

    The callable gets those of `classes`, `sample_shape` and `seed` that it names, and returns a torch module or an
    object with `Learner`'s functions.

    Raises:
        SettingsError: there is no such model or device, or torch is not installed.
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
        from limbeck_common.learning.sklearn_learner import forest  # noqa: PLC0415 - only where it is wanted

        return forest(spec.classes, seed)
    return _torch_learner(lambda: _build(model, spec), spec, seed, device)


def make_data(source: str | None, spec: Spec, part: int | None, root: Path | None = None) -> ParticipantData:
    """Return a participant's data: from the user's `package.module:callable`, else the federation's built-in data set.

    `part` says whose private rows; None for the server, which has none. Without open rows in the federation, every
    participant has the open set of none.

    Raises:
        DataError: it is missing or unusable.
        UserCodeError: the user's callable fails, or returns something else.
    """
    data = _find_data(source, spec, part, root)
    if data.open is None and not spec.open_rows:
        return replace(data, open=np.zeros((0, *spec.sample_shape), spec.sample_dtype))
    return data


def _find_data(source: str | None, spec: Spec, part: int | None, root: Path | None) -> ParticipantData:
    if source is not None:
        data = call_plugin(source, part=part, seed=spec.seed)
        if not isinstance(data, ParticipantData):
            raise UserCodeError(f"{source} returned a {type(data).__name__}", expected="a ParticipantData")
        check_data(data, spec)
        return data
    if spec.data.dataset == "own":
        if part is None and not spec.open_rows:  # the server, of which no rows are wanted
            return ParticipantData()
        raise DataError(
            "the federation has no built-in data set", remedy="name your data: --data package.module:callable"
        )
    return load_participant(spec.data, spec.seed, part, root)


def check_data(data: ParticipantData, spec: Spec) -> None:
    """Check that a participant's rows look like the federation's open rows, and that its labels are classes.

    Raises:
        DataError: they do not.
    """
    labelled = None
    if data.open is not None and data.open_labels is not None:
        labelled = Examples(data.open, data.open_labels)
    for what, examples in (("private", data.private), ("test", data.test), ("open", labelled)):
        if examples is None:
            continue
        found = (np.dtype(examples.x.dtype).newbyteorder("<").str, tuple(examples.x.shape[1:]))
        if found != (spec.sample_dtype, spec.sample_shape):
            raise DataError(
                f"{what} rows of type {found[0]} and shape {list(found[1])}",
                expected=f"type {spec.sample_dtype} and shape {list(spec.sample_shape)}, as the open rows have",
                remedy="bring your rows to that form in your data callable",
            )
        if not len(examples.y) or examples.y.min() < 0 or examples.y.max() >= spec.classes:
            raise DataError(
                f"{what} labels "
                + (f"{examples.y.min()} to {examples.y.max()}" if len(examples.y) else "without a row"),
                expected=f"at least one row, and labels 0 to {spec.classes - 1}",
            )


def _call_seeded(name: str, spec: Spec, seed: int) -> Any:
    load_plugin(name)
    guard: Any = nullcontext()
    if "torch" in sys.modules:  # the user's module imported it: its layers must start from our seed
        import torch  # noqa: PLC0415 - never loaded for a learner of another framework

        guard = torch.random.fork_rng([])
    with guard:
        if "torch" in sys.modules:
            torch.manual_seed(seed)
        return call_plugin(name, classes=spec.classes, sample_shape=spec.sample_shape, seed=seed)


def _torch_learner(make_module: Callable[[], Any], spec: Spec, seed: int, device: str) -> Learner:
    try:
        import torch  # noqa: PLC0415 - the client's core runs without it

        from limbeck_common.learning.models import pick_device  # noqa: PLC0415
        from limbeck_common.learning.torch_learner import TorchLearner  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"this model needs torch: {error}", remedy="pip install 'limbeck[torch]', or bring another learner"
        ) from error
    try:
        chosen = pick_device(device)
    except RuntimeError as error:
        raise SettingsError(f"unknown device {device!r}", expected="auto, cpu, cuda, cuda:1 or mps") from error

    def checked() -> torch.nn.Module:
        module = make_module()
        if not isinstance(module, torch.nn.Module):
            raise UserCodeError(
                f"the model is a {type(module).__name__}",
                expected="a torch.nn.Module, or an object with fit and distill",
            )
        return module

    try:
        return TorchLearner(checked, spec, seed, chosen)
    except (RuntimeError, AssertionError) as error:  # torch says so when the device is not there
        raise SettingsError(f"cannot use device {chosen}: {error}", remedy="try --device cpu") from error


def _build(model: str, spec: Spec) -> Any:
    from limbeck_common.learning.models import build_model  # noqa: PLC0415 - imports torch

    return build_model(model, spec.sample_shape, spec.classes)
