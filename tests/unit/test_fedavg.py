"""FedAvg's arithmetic and FedProx's term, against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from asked import gathered, ground
from torch import nn

from limbeck_common.config import MethodSpec, Spec
from limbeck_common.messages import Kind, Space, parameters
from limbeck_common.methods.fedavg import FedAvg, proximal
from limbeck_common.methods.registry import learner_seed

SPEC = Spec(classes=2, sample_shape=(1,), sample_dtype="|u1", open_rows=10, method=MethodSpec(name="fedavg"))
SHAPES = {"w": (1, 2), "b": (2,)}


def test_the_average_weighs_each_client_by_its_rows() -> None:
    one = parameters({"w": np.array([[1.0, -2.0]]), "b": np.array([0.5, 0.0])}, weight=30)
    other = parameters({"w": np.array([[5.0, 2.0]]), "b": np.array([0.5, 4.0])}, weight=10)
    brought = gathered(FedAvg(), ground(SPEC, {"": SHAPES}), {"a": one, "b": other})
    teaching = brought.teach()
    # 30 / 40 of the first and 10 / 40 of the second.
    assert {name: value.tolist() for name, value in teaching.blocks[""].parameters.items()} == {
        "w": [[0.75 * 1 + 0.25 * 5, 0.75 * -2 + 0.25 * 2]],
        "b": [0.5, 1.0],
    }


def test_it_asks_for_the_weights_of_one_architecture() -> None:
    assert FedAvg().architectures("cnn") == {"": "cnn"}
    task = FedAvg().plan(ground(SPEC, {"": SHAPES}), 1)
    assert (task.space, task.kind, task.weighted, dict(task.models)) == (
        Space.PARAMETERS,
        Kind.PARAMETERS,
        True,
        {"": SHAPES},
    )


def test_all_parties_start_from_the_same_weights() -> None:
    assert learner_seed(SPEC, "a") == learner_seed(SPEC, "b")
    others = SPEC.model_copy(update={"method": MethodSpec(name="dsfl")})
    assert learner_seed(others, "a") != learner_seed(others, "b")


def test_the_proximal_term_pulls_to_where_the_round_began() -> None:
    module = nn.Linear(1, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0], [2.0]]))
        module.bias.copy_(torch.tensor([0.0, 3.0]))
    term = proximal(0.5)
    assert term(module, None, None, None).item() == 0.0
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.5], [2.0]]))
        module.bias.copy_(torch.tensor([0.0, 1.0]))
    pull = term(module, None, None, None)
    assert pull.item() == pytest.approx(0.5 / 2 * (0.5**2 + 2.0**2))
    pull.backward()
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [[0.5 * 0.5], [0.0]]  # mu (w - w^t)
