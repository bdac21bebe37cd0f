"""A federation of models that are small enough to work out by hand: two inputs, two classes, no hidden layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from limbeck_common.core.blocks import Block, Parts, Shapes, parameters
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.learner import Learner
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.torch_learner import TorchLearner
from limbeck_common.methods.method import Method
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.open_round import Find, History
from support import aggregators as asked

RECIPE = Recipe(
    fit=Fit(epochs=1, batch_size=4, learning_rate=0.5, momentum=0),
    distill=Distill(epochs=1, batch_size=4, learning_rate=0.5, momentum=0, shuffle=False),
)
SPEC = Spec(rounds=4, output=Output(width=2), sample_shape=(2,), sample_dtype="<f4", open_rows=2, recipe=RECIPE)
LINEAR = {"weight": (2, 2), "bias": (2,)}
WIDE = {"0.weight": (3, 2), "0.bias": (3,), "2.weight": (2, 3), "2.bias": (2,)}
OPEN = np.array([[1, 0], [1, 0]], np.float32)


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))


def participant(model: str = "", spec: Spec = SPEC, seed: int = 1, private: int = 12) -> Participant:
    """Return a participant whose own model is linear, or wide."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(private + 20, 2)).astype(np.float32)
    examples = Examples(x, (x[:, 0] > x[:, 1]).astype(np.int64))
    data = ParticipantData(
        private=Examples(examples.x[:private], examples.y[:private]),
        open=OPEN,
        test=Examples(examples.x[private:], examples.y[private:]),
    )

    def build(name: str) -> Learner:
        make = wide if (name or model) == "wide" else lambda: nn.Linear(2, 2)
        return TorchLearner(make, spec, 7, torch.device("cpu"))

    return Participant(spec, build(""), data, build)


def linear(weight: list[list[float]], bias: tuple[float, float] = (0, 0), rows: int = 1) -> Block:
    """Return a linear model's parameters, as heavy as `rows`."""
    return parameters({"weight": np.array(weight, np.float32), "bias": np.array(bias, np.float32)}, weight=rows)


def aggregator(
    method: Method,
    uplinks: Mapping[str, Parts | Block],
    architectures: Mapping[str, Shapes],
    number: int = 1,
    find: Find = lambda _number, _audience: None,
) -> RoundAggregator:
    """Return what a round has brought, checked as the server checks it."""
    return asked.aggregated(method, History(SPEC, architectures, find), uplinks, number)


def values(block: Block) -> dict[str, Any]:
    return {name: value.tolist() for name, value in block.parameters.items()}
