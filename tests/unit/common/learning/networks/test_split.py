"""A model's head, by declaration or by its last linear layer, and features of one width for all built-in models."""

import pytest
import torch
from torch import nn

from limbeck_common.core.errors import UserCodeError
from limbeck_common.learning.networks.models import build_model
from limbeck_common.learning.networks.split import Split, captured_features, find_head, head_of


def test_the_last_linear_layer_is_the_head_unless_one_is_declared() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    assert head_of(model) is model[3]
    head = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    assert head_of(Split(nn.Linear(4, 3), head)) is head


def test_a_model_without_one_is_told_how_to_declare_it() -> None:
    assert find_head(nn.Conv2d(1, 2, 3)) is None
    with pytest.raises(UserCodeError, match=r"Conv2d has no linear layer.*return Split\(body, head\)"):
        head_of(nn.Conv2d(1, 2, 3))


def test_features_are_what_the_head_is_given() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.randn(5, 4)
    with captured_features(head_of(model)) as seen:
        model(x)
    assert torch.equal(seen[0], model[:2](x))
    model(x)
    assert len(seen) == 1  # outside the block nothing is kept
    with captured_features(None) as nothing:
        model(x)
    assert nothing == []


@pytest.mark.parametrize("name", ["cnn", "cnn-dsfl", "mlp", "resnet8"])
def test_built_in_models_have_features_of_the_width_asked_for(name: str) -> None:
    model = build_model(name, (1, 8, 8), 10, features=24).eval()
    assert isinstance(model, Split)
    assert (model.head.in_features, model.head.out_features) == (24, 10)
    assert model.body(torch.zeros(2, 1, 8, 8)).shape == (2, 24)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
