"""Whether a model works on this machine: the checks of both `doctor` commands that need a learner."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Predictor
from limbeck_common.runtime.make_learner import make_learner
from limbeck_common.support.diagnostics import Finding, Level, failure
from limbeck_common.support.plugins import is_plugin


def check_device(model: str, wanted: str) -> Finding:
    """Check the device that a model would train on; `wanted` is auto, cpu, cuda, cuda:1 or mps."""
    if model in {"none", "forest"}:
        return Finding(Level.OK, f"device: model {model} needs no torch")
    try:
        import torch  # noqa: PLC0415 - a look whether it is there

        from limbeck_common.learning.networks.models import pick_device  # noqa: PLC0415 - imports torch
    except ImportError as error:
        level = Level.WARN if is_plugin(model) else Level.FAIL
        return Finding(
            level, f"device: torch is not installed: {error}", f"pip install 'limbeck[torch]' if {model} needs it"
        )
    try:
        device = pick_device(wanted)
        torch.zeros(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = " ".join(str(error).split())[:200]
        return Finding(Level.FAIL, f"device {wanted!r} cannot be used: {said}", "name auto or cpu")
    return Finding(Level.OK, f"device: {device}, torch {torch.__version__}")


def check_model(model: str, spec: Spec, rows: NDArray[Any], device: str) -> Finding:
    """Build the model and let it predict `rows`, of shape [rows, *sample_shape]."""
    try:
        learner = make_learner(model, spec, 0, device)
    except LimbeckError as error:
        return failure(f"model {model}", error)
    return check_predictions(model, learner, spec, rows)


def check_predictions(model: str, learner: Predictor, spec: Spec, rows: NDArray[Any]) -> Finding:
    """Let a model that is built, by the name of `model`, predict `rows`, of shape [rows, *sample_shape]."""
    try:
        shape = np.asarray(learner.predict(rows)).shape
    except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
        said = " ".join(str(error).split())[:200]
        finding = f"model {model} can be built, but does not predict before training: {type(error).__name__}: {said}"
        return Finding(Level.WARN, finding, "some learners are like that; if yours should predict, fix it")
    if shape != (len(rows), spec.output.width):
        wrong = f"model {model} predicts {list(shape)} for {len(rows)} rows"
        return Finding(Level.FAIL, wrong, f"make it predict the federation's {spec.output.width} classes")
    return Finding(Level.OK, f"model {model} can be built and predicts {spec.output.width} classes")
