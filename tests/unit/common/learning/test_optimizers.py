"""The optimizers take torch's steps, load no module of torch's, and keep Adam's counts on the CPU."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from limbeck_common.core.recipe import Fit
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.optimizers import Optimizer, placed
from limbeck_common.learning.torch_learner import TorchLearner

RECIPES = {
    "sgd": Fit(learning_rate=0.1, momentum=0),
    "momentum": Fit(momentum=0.9, learning_rate=0.05),
    "adam": Fit(optimizer="adam", learning_rate=0.01),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_steps_are_those_that_are_published(name: str) -> None:
    recipe, rate = RECIPES[name], RECIPES[name].learning_rate
    ours = nn.Parameter(torch.ones(4, dtype=torch.float64))
    weights, velocity, first, second = np.ones(4), np.zeros(4), np.zeros(4), np.zeros(4)
    slots: dict[str, torch.Tensor] = {}
    for step, gradient in enumerate(np.random.default_rng(0).normal(size=(20, 4)), start=1):
        ours.grad = torch.from_numpy(gradient)
        Optimizer([ours], slots, recipe).step(rate)  # a new one, as for each call of `fit`
        if name == "adam":
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            weights -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        else:
            velocity = recipe.momentum * velocity + gradient
            weights -= rate * velocity
    assert ours.detach().numpy() == pytest.approx(weights, rel=1e-12)


@pytest.mark.parametrize("name", RECIPES)
def test_a_parameter_without_a_gradient_stays_and_the_others_keep_their_slots(name: str) -> None:
    still, moving = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    slots: dict[str, torch.Tensor] = {}
    optimizer = Optimizer([still, moving], slots, RECIPES[name])
    moving.grad = torch.ones(2)
    optimizer.step(0.1)
    assert still.tolist() == [1, 1]
    assert moving.tolist() == pytest.approx([0.9, 0.9])
    assert {key.partition(".")[0] for key in slots} <= {"1"}
    optimizer.zero_grad()
    assert moving.grad is None


def test_a_step_loads_no_module() -> None:
    program = """
import sys, torch
from torch import nn
before = set(sys.modules)
from limbeck_common.core.recipe import Steps
from limbeck_common.learning.optimizers import Optimizer
for recipe in (Steps(optimizer="adamw", clip=1), Steps(), Steps(momentum=0)):
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    Optimizer([weight], {}, recipe).step(0.1)
print(sorted(name for name in set(sys.modules) - before if name.startswith("torch")))
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_on_another_device_adams_counts_stay_on_the_cpu() -> None:
    slots = {"0.first": torch.ones(3), "0.second": torch.ones(3), "0.steps": torch.tensor(7.0)}
    moved = placed(slots, torch.device("meta"))
    assert {name: value.device.type for name, value in moved.items()} == {
        "0.first": "meta",
        "0.second": "meta",
        "0.steps": "cpu",
    }
    moved["0.steps"] += 1
    assert slots["0.steps"].item() == 7


def test_a_learner_that_loads_its_state_on_another_device_leaves_adams_counts_on_the_cpu() -> None:
    spec = Spec(output=Output(width=2), sample_shape=(3,), sample_dtype="<f4", open_rows=1)
    learner = TorchLearner(lambda: nn.Linear(3, 2), spec, 1, torch.device("cpu"))
    learner.fit(Examples(np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])), RECIPES["adam"])
    kept = learner.state()
    learner.device = torch.device("meta")  # stands for a GPU
    learner.load_state(kept)
    devices = {name: value.device.type for name, value in learner._slots["fit"].items()}  # noqa: SLF001
    assert set(devices.values()) == {"cpu", "meta"}
    assert {name for name, device in devices.items() if device == "cpu"} == {"0.steps", "1.steps"}
