"""FedGH's head: trained on the server from mean features, taken by clients whose bodies differ."""

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import receive, to_all, update

from limbeck_common.core.blocks import Block, Rows, Space, parameters
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.fedgh import FedGH, trained
from limbeck_common.runtime.make_learner import make_learner

SPEC = Spec(
    output=Output(width=3),
    sample_shape=(1, 8, 8),
    sample_dtype="|u1",
    open_rows=0,
    method=MethodSpec(name="fedgh", options={"features": 2}),
)
METHOD = FedGH(features=2, steps=300, rate=0.5)


def means(classes: list[int], values: list[list[float]]) -> Block:
    return Block(Space.CLASSES, Rows(np.array(classes)), Kind.FEATURES, (np.array(values, np.float32),))


SENT = {"a": means([0, 2], [[1, 0], [-1, -1]]), "b": means([0, 1], [[2, 0], [0, 2]])}


def test_one_step_goes_down_the_gradient_of_the_cross_entropy() -> None:
    weight, bias = trained((np.zeros((2, 1)), np.zeros(2)), np.array([[1.0], [3.0]]), np.array([0, 1]), 1, 0.1)
    # Both classes are as likely: errors are -1/2 and 1/2 for the first row, 1/2 and -1/2 for the second; over 2 rows.
    assert weight.tolist() == [[pytest.approx(-0.05)], [pytest.approx(0.05)]]
    assert bias.tolist() == [pytest.approx(0), pytest.approx(0)]


def test_the_head_tells_the_means_apart_by_class() -> None:
    head = to_all(aggregated(METHOD, history(SPEC), SENT).aggregate()).parameters
    assert (head["weight"].shape, head["bias"].shape) == ((3, 2), (3,))
    for block in SENT.values():
        found = (np.asarray(block.array[:]) @ head["weight"].T + head["bias"]).argmax(axis=1)
        assert found.tolist() == block.rows.tolist()


def test_the_next_rounds_training_goes_on_from_the_last_head() -> None:
    first = aggregated(METHOD, history(SPEC), SENT).aggregate()
    fewer = FedGH(features=2, steps=1, rate=0.5)
    again = to_all(aggregated(fewer, history(SPEC, round_1={"head": to_all(first)}), SENT, 2).aggregate()).parameters
    start = to_all(first).parameters
    assert np.abs(again["weight"] - start["weight"]).max() < 0.05 < np.abs(start["weight"]).max()


@pytest.mark.parametrize("model", ["cnn", "mlp", "resnet8"])
def test_clients_of_any_body_take_the_head_and_keep_theirs(model: str) -> None:
    x = np.random.default_rng(0).integers(0, 255, (12, 1, 8, 8)).astype(np.uint8)
    data = ParticipantData(Examples(x, np.arange(12) % 3))
    it = Participant(SPEC, make_learner(model, SPEC, 1, "cpu"), data)
    before = it.featured.features(x)
    head = parameters({"weight": np.ones((3, 2)), "bias": np.arange(3)})
    receive(METHOD, it, head, 1)
    assert it.featured.head()["bias"].tolist() == [0, 1, 2]
    assert np.array_equal(it.featured.features(x), before)
    sent = update(METHOD, it, number=2)
    assert sent.rows.tolist() == [0, 1, 2]
    assert not np.array_equal(it.featured.features(x), before)
