"""Weights per row: high where open rows are like the client's own, and what they do to a mean."""

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import to_all, update
from support.recording_learner import recording

from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.math.kulsif import density_ratio, standardised
from limbeck_common.methods.options.certainty import certainties

SPEC = Spec(output=Output(width=2), sample_shape=(4,), sample_dtype="<f4", open_rows=200)
METHOD = DSFL(aggregation="sa", certainty=True, open_per_round=200)
RANDOM = np.random.default_rng(0)
OPEN = np.concatenate([RANDOM.normal(-2, 1, (100, 4)), RANDOM.normal(2, 1, (100, 4))]).astype(np.float32)
OPEN[:, 0] = 0  # the recorded learner predicts by it


def test_rows_like_the_clients_own_weigh_more_and_weights_are_kept() -> None:
    own = RANDOM.normal(2, 1, (80, 4)).astype(np.float32)
    client, _ = recording(SPEC, np.array([[0.5, 0.5]]), open=OPEN, private=Examples(own, np.zeros(80, np.int64)))
    sent = update(METHOD, client, Rows(np.arange(200)))
    weights = np.asarray(sent.weight)
    assert weights.min() >= 1
    assert weights.max() <= 1001
    assert weights[100:].mean() > 3 * weights[:100].mean()
    again = update(METHOD, client, Rows(np.arange(50, 60)), number=2)
    assert np.asarray(again.weight).tolist() == weights[50:60].tolist()


def test_a_weight_is_the_thousandths_of_the_ratios_share_and_one() -> None:
    own = np.linspace(-1, 1, 20, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    client, _ = recording(SPEC, np.array([[0.5, 0.5]]), open=OPEN, private=Examples(own, np.zeros(20, np.int64)))
    round_ = ClientRound(client, 1, {})
    features, known = standardised(OPEN, OPEN), standardised(own, OPEN)
    # All rows are drawn, and the estimate does not depend on their order but for its last bits.
    ratio = np.maximum(density_ratio(known, features, 0.4, 1e-4)(features), 0)
    wanted = np.rint(1000 * ratio / (1 + ratio)) + 1
    assert np.mean(certainties(round_, np.arange(200)) == wanted) > 0.95
    assert len(set(wanted)) > 20


def test_a_label_counts_as_often_as_its_weight_says() -> None:
    def sent(first: float, *weights: int) -> Block:
        values = np.tile(np.float32([first, 1 - first]), (2, 1))
        return Block(Space.OPEN, Rows(np.arange(2)), Kind.PROBABILITIES, (values,), np.array(weights))

    spec = SPEC.model_copy(update={"open_rows": 2})
    found = to_all(aggregated(METHOD, history(spec), {"a": sent(1.0, 3, 1), "b": sent(0.0, 1, 1)}).aggregate())
    assert np.asarray(found.array[:])[:, 0].tolist() == pytest.approx([0.75, 0.5], abs=1e-6)
