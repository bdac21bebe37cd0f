"""Axes cover the data and have round ticks."""

from collections.abc import Callable

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from limbeck_lab.report.charts import scales


def drawn(scale: Callable[[Axes], None], width: int = 440) -> tuple[Axes, list[str], list[str]]:
    """Return axes of that width in pixels, and the tick labels that show along x and along y."""
    figure = Figure((width / 72, 4), dpi=72)
    axes = figure.add_subplot()
    scale(axes)
    figure.draw_without_rendering()
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    across = [label.get_text() for label in axes.get_xticklabels() if left <= label.get_position()[0] <= right]
    up = [label.get_text() for label in axes.get_yticklabels() if bottom <= label.get_position()[1] <= top]
    return axes, across, up


@pytest.mark.parametrize(
    ("accuracies", "labels"),
    [
        ([0.38, 0.93], ["30 %", "40 %", "50 %", "60 %", "70 %", "80 %", "90 %", "100 %"]),
        ([0.991, 1.0], ["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]),
        ([0.0], ["0 %", "2 %", "4 %", "6 %", "8 %", "10 %"]),
    ],
)
def test_accuracies_span_at_least_ten_points_between_round_ticks(accuracies: list[float], labels: list[str]) -> None:
    axes, _, up = drawn(lambda axes: scales.accuracy(axes, "y", accuracies))
    assert up == labels
    low, high = axes.get_ylim()
    assert low <= min(accuracies) <= max(accuracies) <= high + 1e-9


@pytest.mark.parametrize(
    ("largest", "labels"),
    [
        (0, ["0 B", "2 B", "4 B", "6 B", "8 B", "10 B"]),
        (412_345, ["0 B", "100 kB", "200 kB", "300 kB", "400 kB", "500 kB"]),
        (2_900_000, ["0 B", "500 kB", "1 MB", "1.5 MB", "2 MB", "2.5 MB", "3 MB"]),
    ],
)
def test_bytes_start_at_nothing_and_have_their_unit(largest: int, labels: list[str]) -> None:
    axes, _, up = drawn(lambda axes: scales.byte_counts(axes, "y", "bytes", largest))
    assert up == labels
    assert axes.get_ylim()[1] >= largest


@pytest.mark.parametrize(
    ("counts", "labels"),
    [
        ([101_000, 390_000], ["100 kB", "200 kB"]),
        ([900, 3_000_000], ["1 kB", "10 kB", "100 kB", "1 MB"]),
        ([0, 30], ["1 B", "2 B", "5 B", "10 B", "20 B"]),
        ([1, 5e12], ["1 B", "1 kB", "1 MB", "1 GB", "1 TB"]),
    ],
)
def test_a_logarithmic_axis_covers_the_data_with_few_ticks(counts: list[float], labels: list[str]) -> None:
    axes, across, _ = drawn(lambda axes: scales.log_byte_counts(axes, "bytes", counts))
    assert across == labels
    low, high = axes.get_xlim()
    assert 0 < low < max(1, min(counts)) <= max(counts) < high


@pytest.mark.parametrize(
    ("first", "last", "width", "labels"),
    [
        (1, 3, 440, ["1", "2", "3"]),
        (1, 1, 440, ["1"]),
        (1, 100, 330, ["20", "40", "60", "80", "100"]),
        (1, 10, 330, ["2", "4", "6", "8", "10"]),
    ],
)
def test_rounds_are_whole_numbers(first: int, last: int, width: int, labels: list[str]) -> None:
    _, across, _ = drawn(lambda axes: scales.whole_numbers(axes, "round", first, last), width)
    assert across == labels


@pytest.mark.parametrize(
    ("longest", "title", "labels"),
    [
        (0.2, "seconds", ["0", "0.5", "1"]),
        (33.1, "seconds", ["0", "10", "20", "30", "40"]),
        (600, "minutes", ["0", "5", "10"]),
        (4 * 3600, "hours", ["0", "1", "2", "3", "4"]),
    ],
)
def test_time_has_a_fitting_unit(longest: float, title: str, labels: list[str]) -> None:
    axes, across, _ = drawn(lambda axes: scales.time(axes, longest))
    assert axes.get_xlabel() == title
    assert across == labels
