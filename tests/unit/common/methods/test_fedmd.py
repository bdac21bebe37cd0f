"""FedMD's arithmetic, against numbers worked out by hand, and the order of its steps."""

from math import e, log

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.blocks import Rows, class_scores
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.fedmd import FedMD

SPEC = Spec(output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=2)
BOTH = Rows(np.arange(2))
OPEN = np.array([[0], [1]], np.uint8)
PRIVATE = Examples(np.array([[1], [0], [1]], np.uint8), np.array([2, 0, 2]))
PREDICTED = np.array([[1, 0, 0], [0.25, 0.25, 0.5]])


def test_the_consensus_is_the_mean_of_the_scores() -> None:
    uplinks = {
        "a": class_scores(BOTH, np.array([[4, -2, 0], [100, 0, 0]], np.float32)),
        "b": class_scores(BOTH, np.array([[2, 0, 0], [-50, 1, 0]], np.float32)),
    }
    block = to_all(aggregated(FedMD(), history(SPEC), uplinks).aggregate())
    assert block.kind is Kind.LOGITS
    assert block.array[:].tolist() == [[3, -1, 0], [25, 0.5, 0]]


def test_it_is_digested_as_its_softmax() -> None:
    consensus = class_scores(BOTH, np.array([[2, 0, 0], [500, 500, 0]], np.float32))
    # Two scores that lead by far share a row, and nothing overflows. The temperature is the learner's to apply.
    expected = [[e**2 / (e**2 + 2), 1 / (e**2 + 2), 1 / (e**2 + 2)], [0.5, 0.5, 0]]
    participant, learner = recording(SPEC, PREDICTED, open=OPEN)
    receive(FedMD(temperature=2), participant, consensus, 1)
    ((step, x, labels),) = learner.asked
    assert (step, x.tolist()) == ("distill", OPEN.tolist())
    assert labels.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]
    assert learner.temperatures == [2]


def test_the_first_time_a_client_learns_the_open_rows_before_its_own() -> None:
    participant, learner = recording(SPEC, PREDICTED, open=OPEN, private=PRIVATE, open_labels=np.array([1, 2]))
    for number in (3, 4):  # a client that comes late, too
        update(FedMD(), participant, BOTH, number)
    assert [(step, labels.tolist()) for step, _, labels in learner.asked] == [
        ("fit", [1, 2]),
        ("fit", [2, 0, 2]),
        ("fit", [2, 0, 2]),
    ]


@pytest.mark.parametrize("options", [{}, {"transfer": 0}])
def test_without_labels_or_unless_wanted_it_learns_its_own_rows_alone(options: dict[str, bool]) -> None:
    labels = np.array([1, 2]) if options else None
    participant, learner = recording(SPEC, PREDICTED, open=OPEN, private=PRIVATE, open_labels=labels)
    update(FedMD(**options), participant, BOTH, 1)
    assert len(learner.asked) == 1


def test_a_learner_without_scores_sends_logarithms() -> None:
    participant, _ = recording(SPEC, PREDICTED, open=OPEN, private=PRIVATE)
    sent = update(FedMD(), participant, BOTH, 1).array[:]
    assert sent.tolist() == [
        pytest.approx([0, log(1e-7), log(1e-7)], abs=1e-5),
        pytest.approx([log(0.25), log(0.25), log(0.5)], abs=1e-6),
    ]
