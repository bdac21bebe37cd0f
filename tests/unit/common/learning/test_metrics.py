"""Metrics by task, against numbers worked out by hand."""

from math import log, sqrt

import numpy as np
import pytest

from limbeck_common.learning.metrics import balanced_weights, classified, labelled, regressed


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur() -> None:
    found = classified(np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.6, 0.4, 0], [0.7, 0.3, 0]]), np.array([0, 0, 0, 1]))
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == 0.5
    assert found["loss"] == pytest.approx(-(log(0.9) + log(0.8) + log(0.6) + log(0.3)) / 4)


def test_a_class_per_position_is_counted_by_position() -> None:
    found = classified(np.array([[[0.9, 0.1], [0.9, 0.1]]]), np.array([[0, 1]]))
    assert (found["accuracy"], found["balanced_accuracy"]) == (0.5, 0.5)


def test_f1_is_of_all_labels_together() -> None:
    found = labelled(np.array([[0.9, 0.6], [0.2, 0.1]]), np.array([[1, 0], [1, 0]]))
    # One label found rightly, one wrongly, one missed.
    assert found["f1"] == pytest.approx(2 / (2 + 2))
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx(-(log(0.9) + log(0.4) + log(0.2) + log(0.9)) / 4)
    assert labelled(np.zeros((2, 2)), np.zeros((2, 2)))["f1"] == 0


def test_r2_is_0_for_the_mean_and_1_for_the_truth() -> None:
    y = np.array([[1.0], [3.0]])
    assert regressed(y, y) == {"rmse": 0.0, "r2": 1.0, "loss": 0.0}
    assert regressed(np.full((2, 1), 2.0), y) == {"rmse": 1.0, "r2": 0.0, "loss": 1.0}
    assert regressed(np.array([[1.0], [1.0]]), y)["rmse"] == pytest.approx(sqrt(2))


def test_weights_make_all_classes_that_occur_count_the_same() -> None:
    weights = balanced_weights(np.array([0, 0, 0, 2]), 3)
    assert (3 * weights[0], weights[2]) == (pytest.approx(2), pytest.approx(2))
    assert weights[1] == 0
