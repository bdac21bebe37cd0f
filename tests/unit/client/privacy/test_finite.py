"""What is not finite is named, where it is; a metric that is not finite costs no round."""

import math

import numpy as np
import pytest
from structlog.testing import capture_logs

from limbeck_client.privacy.finite import check_finite, finite_metrics
from limbeck_common.core.arrays.encodings import Top
from limbeck_common.core.arrays.tensors import SLICE_BYTES
from limbeck_common.core.blocks import Block, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_row_with_a_value_that_is_not_finite_is_named(bad: float) -> None:
    rows = Rows(np.array([3, 5, 8, 9]))
    values = np.full((4, 2), 0.5, np.float32)
    check_finite(soft_labels(rows, values))
    values[2, 1] = values[3, 0] = bad
    with pytest.raises(UserCodeError) as refused:
        check_finite(soft_labels(rows, values))
    assert str(refused.value) == (
        "the learner's probabilities for open row 8 are not finite; expected finite numbers: has its training "
        "diverged?; mend the model and join again, to go on from the round before"
    )
    with pytest.raises(UserCodeError, match="logits for class 8 are"):
        check_finite(Block(Space.CLASSES, rows, Kind.LOGITS, (values,)))


def test_rows_are_counted_over_all_slices() -> None:
    count = 2 * SLICE_BYTES // 8
    values = np.zeros((count, 2), np.float32)
    values[-1, 0] = math.nan
    with pytest.raises(UserCodeError, match=f"open row {count - 1} are"):
        check_finite(soft_labels(Rows(np.arange(count)), values))


def test_an_array_of_parameters_is_named() -> None:
    values = {"body.weight": np.ones((2, 3, 4)), "head.bias": np.array([1.0, math.nan])}
    with pytest.raises(UserCodeError, match=r"parameters for 'head\.bias' are not finite"):
        check_finite(parameters(values))
    check_finite(parameters({"body.weight": np.ones((2, 3, 4)), "step": np.array(1)}))


def test_encoded_rows_are_looked_at_as_they_will_be_read() -> None:
    values = np.array([[0.75, math.nan], [1, 0]], np.float32)
    with pytest.raises(UserCodeError, match="probabilities for open row 0 are"):
        check_finite(soft_labels(Rows(np.arange(2)), Top(2).encode(values, Kind.PROBABILITIES)))


def test_metrics_that_are_not_finite_are_left_out_and_logged() -> None:
    metrics = {"loss": math.nan, "accuracy": 0.5, "distilled_loss": math.inf}
    with capture_logs() as logs:
        assert finite_metrics(Uplink("f", "a", 3, metrics=metrics)) == {"accuracy": 0.5}
    assert [(log["log_level"], log["client"], log["round"], log["metrics"]) for log in logs] == [
        ("warning", "a", 3, ["distilled_loss", "loss"])
    ]
    with capture_logs() as logs:
        assert finite_metrics(Uplink("f", "a", 3, metrics={"accuracy": 0.5})) == {"accuracy": 0.5}
    assert logs == []
