"""FD's arithmetic, against numbers worked out by hand."""

from math import log

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.aggregators import aggregated, history
from support.method_rounds import receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.kinds import Kind
from limbeck_common.core.recipe import Fit, Recipe
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.torch_learner import Step
from limbeck_common.methods.fd import FD, regularised
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.runtime.make_learner import make_learner

SPEC = Spec(output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=2)
PRIVATE = Examples(np.array([[0], [1], [0], [1]], np.uint8), np.array([2, 0, 0, 2]))
PREDICTED = np.array([[1, 0, 0], [0, 0.5, 0.5]])


def by_class(labels: Rows, values: NDArray[np.float32]) -> Block:
    return Block(Space.CLASSES, labels, Kind.PROBABILITIES, (values,))


def test_a_client_averages_its_outputs_by_label() -> None:
    outputs = np.array([[1, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 0]], np.float32)
    labels, averages, _ = class_means(outputs, np.array([2, 0, 2]))
    assert labels.indices.tolist() == [0, 2]
    assert averages.tolist() == [[0, 0.5, 0.5], [0.75, 0.25, 0]]


def test_a_label_is_averaged_over_those_that_have_it() -> None:
    uplinks = {
        "a": by_class(Rows(np.array([0, 2])), np.array([[1, 0, 0], [0, 0, 1]], np.float32)),
        "b": by_class(Rows(np.array([2])), np.array([[0.5, 0, 0.5]], np.float32)),
    }
    block = to_all(aggregated(FD(), history(SPEC), uplinks).aggregate())
    assert block.space is Space.CLASSES
    assert block.rows.tolist() == [0, 2]  # nobody has class 1
    assert block.array[:].tolist() == [[1, 0, 0], [0.25, 0, 0.75]]


def test_the_loss_gets_the_cross_entropy_with_the_labels_average() -> None:
    averages = np.array([[0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]))
    # Row 0, of label 0: -(ln 0.5 + ln 0.25) / 2. Row 1, of label 2: -ln 0.8. Row 2, of label 1: it has no average.
    expected = 1 + 10 * ((log(2) + log(4)) / 2 + log(1 / 0.8)) / 3
    step = Step(torch.nn.Identity(), logits, torch.tensor([0, 2, 1]), logits, None, torch.tensor(1.0))
    found = regularised(averages, 10)(step)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_averages_enter_the_next_training_of_a_torch_model() -> None:
    aggregate = by_class(Rows(np.arange(3)), np.full((3, 3), 1 / 3, np.float32))
    spec = SPEC.model_copy(
        update={"sample_shape": (1, 1, 1), "recipe": Recipe(fit=Fit(epochs=50, learning_rate=0.01, momentum=0))}
    )
    rows = Examples(PRIVATE.x.reshape(-1, 1, 1, 1), PRIVATE.y)
    sent = {}
    for gamma in (None, 0.1, 10.0):
        participant = Participant(spec, make_learner("mlp", spec, 1, "cpu"), ParticipantData(rows))
        method = FD(gamma=gamma or 1.0)
        if gamma is not None:
            receive(method, participant, aggregate, 1)
        values = update(method, participant, Rows(np.zeros(0, np.int64)), 2).array[:]
        sent[gamma] = float(np.abs(values - 1 / 3).max())
    assert sent[10.0] < sent[0.1] < sent[None]  # the more gamma, the nearer to the uniform averages


def test_any_other_learner_takes_it_as_labels_of_its_rows() -> None:
    participant, learner = recording(SPEC, PREDICTED, private=PRIVATE)
    averages = np.array([[0.9, 0.1, 0], [0, 0.2, 0.8]], np.float32)
    receive(FD(), participant, by_class(Rows(np.array([0, 2])), averages), 1)
    block = update(FD(), participant, Rows(np.zeros(0, np.int64)), 2)
    assert [step for step, _, _ in learner.asked] == ["distill", "fit"]
    assert learner.asked[0][2].tolist() == averages[[1, 0, 0, 1]].tolist()
    assert block.rows.tolist() == [0, 2]
    assert block.array[:].tolist() == [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]
