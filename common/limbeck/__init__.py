"""limbeck: federated distillation as a networked system.

What a method's author, a data owner and a researcher need, under one name. Whatever is not here may move. Importing
this imports neither torch nor scikit-learn; `simulate`, `serve` and the learners import them when they are first named.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, OneClass, Plain, Quantised, Top
from limbeck_common.core.blocks import Block, Parts, Rows, Space
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.form import Ask, Form, Forms, Plan, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.seeds import derive
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.partitions import split
from limbeck_common.learning.learner import Capability, Learner, LearnerState, Predictor
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import Refinement, ServerRound, open_sample

if TYPE_CHECKING:
    from limbeck_client.join import ClientSettings, join
    from limbeck_common.learning.sklearn_learner import SklearnLearner
    from limbeck_common.learning.torch_learner import Step, TorchLearner
    from limbeck_common.learning.training import Training
    from limbeck_common.runtime.saved_model import TrainedModel, load_model
    from limbeck_lab.simulation import Simulation, simulate
    from limbeck_server.embedded import serve

_FIRST_NAMED = {  # imported when they are first named: they import torch, scikit-learn, or the server's libraries
    "ClientSettings": "limbeck_client.join",
    "Simulation": "limbeck_lab.simulation",
    "SklearnLearner": "limbeck_common.learning.sklearn_learner",
    "Step": "limbeck_common.learning.torch_learner",
    "TorchLearner": "limbeck_common.learning.torch_learner",
    "TrainedModel": "limbeck_common.runtime.saved_model",
    "Training": "limbeck_common.learning.training",
    "join": "limbeck_client.join",
    "load_model": "limbeck_common.runtime.saved_model",
    "serve": "limbeck_server.embedded",
    "simulate": "limbeck_lab.simulation",
}

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "Aggregate",
    "Ask",
    "Block",
    "Capability",
    "ClientRound",
    "ClientSettings",
    "Distill",
    "Examples",
    "Fit",
    "Form",
    "Forms",
    "Kind",
    "Learner",
    "LearnerState",
    "LimbeckError",
    "Method",
    "OneClass",
    "Output",
    "ParticipantData",
    "Parts",
    "Plain",
    "Plan",
    "Predictor",
    "Quantised",
    "Recipe",
    "Refinement",
    "Rows",
    "ServerRound",
    "Simulation",
    "SklearnLearner",
    "Space",
    "Spec",
    "Step",
    "Top",
    "TorchLearner",
    "TrainedModel",
    "Training",
    "Weights",
    "derive",
    "join",
    "load_model",
    "open_sample",
    "serve",
    "simulate",
    "split",
]


def __getattr__(name: str) -> Any:
    """Import a name that was not needed before."""
    if name not in _FIRST_NAMED:
        raise AttributeError(f"module 'limbeck' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FIRST_NAMED[name]), name)
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
