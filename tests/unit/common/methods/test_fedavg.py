"""FedAvg's mean and FedProx's term, against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.method_rounds import receive, to_all, update
from support.small_models import LINEAR, SPEC, aggregator, linear, participant, values
from torch import nn

from limbeck_common.core.errors import MethodError, ShapeError
from limbeck_common.core.spec import MethodSpec
from limbeck_common.learning.torch_learner import Step
from limbeck_common.methods.fedavg import FedAvg, proximal
from limbeck_common.methods.registry import learner_seed, make_method


def test_the_mean_is_weighted_by_private_rows() -> None:
    sent = {"a": linear([[1, 2], [0, 4]], (8, 0), rows=3), "b": linear([[5, -2], [4, 0]], (0, -4), rows=1)}
    aggregate = to_all(aggregator(FedAvg(), sent, {"linear": LINEAR}).aggregate())
    # Three parts of the first and one of the second, over four: 3 + 5, 6 - 2; 0 + 4, 12 + 0; biases 24 + 0, 0 - 4.
    assert values(aggregate) == {"weight": [[2, 1], [1, 3]], "bias": [6, -1]}


def test_a_client_sends_its_weights_with_its_number_of_rows_and_takes_the_mean() -> None:
    client, other = participant(private=12), participant(seed=2)
    sent = update(FedAvg(), client)
    assert sent.weight == 12
    receive(FedAvg(), other, sent, 1)
    assert values(sent) == {name: value.tolist() for name, value in other.parameters().items()}


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(ShapeError, match="join with that model"):
        aggregator(FedAvg(), {"a": update(FedAvg(), participant("wide"))}, {"linear": LINEAR})


def test_all_start_from_the_same_weights_where_weights_are_averaged_and_only_there() -> None:
    averaged = SPEC.model_copy(update={"method": MethodSpec(name="fedavg")})
    assert learner_seed(averaged, "a") == learner_seed(averaged, "b")
    assert learner_seed(SPEC, "a") != learner_seed(SPEC, "b")


def test_the_proximal_loss_adds_half_mu_times_the_squared_distance_from_its_first_call() -> None:
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
        module.bias.fill_(1.0)
    loss_of = proximal(0.1)
    step = Step(module, torch.zeros(1, 2), torch.zeros(1), torch.zeros(1, 1), None, torch.tensor(2.0))
    assert loss_of(step).item() == 2
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[3.0, 5.0]]))
    loss = loss_of(step)
    loss.backward()
    # 2 + 0.1 / 2 * (2^2 + 3^2 + 0^2), and its gradient 0.1 * (2, 3).
    assert loss.item() == pytest.approx(2.65)
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [pytest.approx([0.2, 0.3])]


def test_a_pull_keeps_the_weights_closer_to_the_rounds_start() -> None:
    def moved(mu: float) -> float:
        client = participant()
        before: NDArray[np.float32] = client.parameters()["weight"]
        update(FedAvg(mu=mu), client)
        return float(np.abs(client.parameters()["weight"] - before).sum())

    assert moved(1.0) < 0.9 * moved(0.0)


def test_a_negative_pull_is_refused() -> None:
    with pytest.raises(MethodError, match="option 'mu'"):
        make_method(MethodSpec(name="fedavg", options={"mu": -1}))
