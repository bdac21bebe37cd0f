"""A local round learns from the aggregate, then trains and predicts; it measures where it is due."""

import numpy as np
import pytest
from support.method_rounds import plan_of
from support.recording_learner import Recording, recording

from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.form import Ask
from limbeck_common.core.messages import Downlink
from limbeck_common.core.recipe import Recipe
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.runtime.local_round import local_round

LABELS = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
ROWS = np.array([[0], [1]], np.uint8)
EXAMPLES = Examples(ROWS, np.array([0, 0]))
LEARNED_FROM = {"labels": soft_labels(Rows(np.array([1])), LABELS[:1])}
SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=2)
METRICS = {"accuracy", "balanced_accuracy", "loss"}
PLAN = plan_of(DSFL(), SPEC, Rows(np.array([0, 1])))


def participant(every: int) -> tuple[Participant, Recording]:
    spec = SPEC.model_copy(update={"recipe": Recipe(evaluate_every=every)})
    return recording(spec, LABELS, private=EXAMPLES, open=ROWS, test=EXAMPLES)


def test_the_aggregate_comes_before_the_training() -> None:
    client, learner = participant(1)
    done = local_round(DSFL(), client, Downlink("f", 3, LEARNED_FROM, PLAN))
    assert [call for call, _, _ in learner.asked] == ["distill", "fit"]
    assert np.array_equal(done.parts["labels"].array[:], LABELS)


def test_a_first_round_only_trains_and_a_closing_one_only_learns() -> None:
    client, learner = participant(1)
    assert local_round(DSFL(), client, Downlink("f", 1, None, PLAN)).parts.keys() == {"labels"}
    assert local_round(DSFL(), client, Downlink("f", 2, LEARNED_FROM)).parts == {}
    assert [call for call, _, _ in learner.asked] == ["fit", "distill"]


class Forgetful(DSFL):
    """Contributes nothing, whatever it is asked for."""

    def client_update(self, client: ClientRound) -> Parts:
        client.fit()
        return {}


def test_a_method_that_does_not_contribute_what_it_asked_for_is_blamed() -> None:
    client, _ = participant(1)
    with pytest.raises(UserCodeError, match="method Forgetful contributes nothing; expected labels"):
        local_round(Forgetful(), client, Downlink("f", 1, None, PLAN))


@pytest.mark.parametrize(
    ("every", "number", "plan", "measured"),
    [
        (1, 1, PLAN, {*METRICS, *(f"distilled_{each}" for each in METRICS)}),
        (2, 3, PLAN, set()),
        (2, 4, PLAN, {*METRICS, *(f"distilled_{each}" for each in METRICS)}),
        (0, 4, PLAN, set()),
        (0, 4, None, METRICS),
    ],
)
def test_clients_are_measured_when_it_is_due_and_at_the_end(
    every: int, number: int, plan: dict[str, Ask] | None, measured: set[str]
) -> None:
    client, _ = participant(every)
    metrics = local_round(DSFL(), client, Downlink("f", number, LEARNED_FROM, plan)).metrics
    assert set(metrics) == measured | {"seconds"}
    assert metrics["seconds"] >= 0
    assert metrics.get("accuracy", 0.5) == 0.5  # the second of two equal rows is taken for the other class
