"""A local round learns from the aggregate, then trains and predicts; it measures where it is due."""

import numpy as np
import pytest
from support.recording_learner import Recording, recording

from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.spec import Output, Recipe, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.runtime.local_round import local_round

LABELS = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
ROWS = np.array([[0], [1]], np.uint8)
EXAMPLES = Examples(ROWS, np.array([0, 0]))
LEARNED_FROM = soft_labels(Rows(np.array([1])), LABELS[:1])
WANTED = Rows(np.array([0, 1]))


def participant(every: int) -> tuple[Participant, Recording]:
    spec = Spec(
        output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=2, recipe=Recipe(evaluate_every=every)
    )
    return recording(spec, LABELS, private=EXAMPLES, open=ROWS, test=EXAMPLES)


def test_the_aggregate_comes_before_the_training() -> None:
    client, learner = participant(1)
    done = local_round(DSFL(), client, 3, LEARNED_FROM, WANTED)
    assert [call for call, _, _ in learner.asked] == ["distill", "fit"]
    assert done.contribution is not None
    assert np.array_equal(done.contribution.array[:], LABELS)


def test_a_first_round_only_trains_and_a_closing_one_only_learns() -> None:
    client, learner = participant(1)
    assert local_round(DSFL(), client, 1, None, WANTED).contribution is not None
    assert local_round(DSFL(), client, 2, LEARNED_FROM, None).contribution is None
    assert [call for call, _, _ in learner.asked] == ["fit", "distill"]


@pytest.mark.parametrize(
    ("every", "number", "wanted", "measured"),
    [
        (1, 1, WANTED, {"distilled_accuracy", "distilled_loss", "accuracy", "loss"}),
        (2, 3, WANTED, set()),
        (2, 4, WANTED, {"distilled_accuracy", "distilled_loss", "accuracy", "loss"}),
        (0, 4, WANTED, set()),
        (0, 4, None, {"accuracy", "loss"}),
    ],
)
def test_clients_are_measured_when_it_is_due_and_at_the_end(
    every: int, number: int, wanted: Rows | None, measured: set[str]
) -> None:
    client, _ = participant(every)
    metrics = local_round(DSFL(), client, number, LEARNED_FROM, wanted).metrics
    assert set(metrics) == measured | {"seconds"}
    assert metrics["seconds"] >= 0
    assert metrics.get("accuracy", 0.5) == 0.5  # the second of two equal rows is taken for the other class
