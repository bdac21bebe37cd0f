"""FedProto's prototypes, their means and their pull, against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from support.aggregators import aggregated, history
from support.method_rounds import only, receive, to_all, update

from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.torch_learner import Step
from limbeck_common.methods.fedproto import FedProto, drawn
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.runtime.make_learner import make_learner

SPEC = Spec(
    output=Output(width=3),
    sample_shape=(1, 8, 8),
    sample_dtype="|u1",
    open_rows=0,
    method=MethodSpec(name="fedproto", options={"features": 2}),
)
METHOD = FedProto(features=2)


def prototypes(classes: list[int], values: list[list[float]], counts: list[int]) -> Block:
    rows = Rows(np.array(classes))
    return Block(Space.CLASSES, rows, Kind.FEATURES, (np.array(values, np.float32),), np.array(counts))


def client(model: str = "cnn") -> Participant:
    x = np.random.default_rng(0).integers(0, 255, (30, 1, 8, 8)).astype(np.uint8)
    y = np.arange(30) % 2 * 2  # class 1 never occurs
    return Participant(SPEC, make_learner(model, SPEC, 1, "cpu"), ParticipantData(Examples(x, y)))


def test_prototypes_are_averaged_by_their_numbers_of_rows() -> None:
    sent = {
        "a": prototypes([0, 2], [[1, 2], [8, 8]], [3, 1]),
        "b": prototypes([0], [[5, -2]], [1]),
    }
    found = to_all(aggregated(METHOD, history(SPEC), sent).aggregate())
    assert found.rows.tolist() == [0, 2]
    assert found.array[:].tolist() == [[2, 1], [8, 8]]  # (3 * 1 + 5) / 4, (3 * 2 - 2) / 4


@pytest.mark.parametrize("bad", [[[1, 2, 3]], [[1]]])
def test_features_of_another_width_are_refused(bad: list[list[float]]) -> None:
    with pytest.raises(LimbeckError):
        aggregated(METHOD, history(SPEC), {"a": prototypes([0], bad, [3])})


@pytest.mark.parametrize("model", ["cnn", "mlp", "resnet8"])
def test_a_client_sends_the_mean_features_of_its_classes_with_its_rows_of_each(model: str) -> None:
    it = client(model)
    sent = update(METHOD, it)
    private = it.private
    _, means, _ = class_means(it.featured.features(private.x), private.y)
    assert sent.rows.tolist() == [0, 2]
    assert np.asarray(sent.weight).tolist() == [15, 15]
    assert np.array_equal(sent.array[:], means)


def test_the_loss_is_the_tasks_and_the_distance_from_the_classs_prototype() -> None:
    known = np.array([[1, 2], [np.nan, np.nan], [0, 0]], np.float32)
    features = torch.tensor([[3.0, 2.0], [9.0, 9.0]], requires_grad=True)
    step = Step(torch.nn.Identity(), features, torch.tensor([0, 1]), features, features, torch.tensor(1.0))
    loss = drawn(known, 0.5)(step)
    assert loss.item() == pytest.approx(1 + 0.5 * (4 + 0 + 0 + 0) / 4)
    (gradient,) = torch.autograd.grad(loss, features)
    assert gradient.tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_prototypes_pull_the_features_of_the_next_training() -> None:
    apart = {}
    wanted = prototypes([0, 2], [[2, 1], [1, 2]], [1, 1])
    for pull in (0.0, 30.0):
        it, method = client(), FedProto(features=2, pull=pull)
        receive(method, it, wanted, 1)
        sent = update(method, it, number=2)
        apart[pull] = np.abs(np.asarray(sent.array[:]) - np.asarray(wanted.array[:])).mean()
    assert apart[30.0] < apart[0.0] - 0.15


def test_its_parts_say_that_features_leave() -> None:
    assert only(METHOD.forms(SPEC).up).kind is Kind.FEATURES  # type: ignore[arg-type,attr-defined]
    assert METHOD.feature_width == 2
