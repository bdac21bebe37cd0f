"""How people read our numbers."""

import pytest

from limbeck_lab.format import bare_percent, duration, human_bytes, percent, points, share


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_960, "10 kB"),
        (412_345, "412 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (4_123_456, "4.1 MB"),
        (5_000_000_000_000_000, "5000 TB"),
    ],
)
def test_bytes_in_human_units(count: int | None, text: str) -> None:
    assert human_bytes(count) == text


def test_accuracies_gains_and_durations() -> None:
    assert [percent(None), percent(0.8804)] == ["-", "88.0 %"]
    assert [points(None), points(0.14), points(-0.0512), points(-0.0001)] == ["-", "+14.0", "-5.1", "+0.0"]
    assert [duration(33.14), duration(99.96), duration(725), duration(7620)] == [
        "33.1 s",
        "1 min 40 s",
        "12 min 05 s",
        "2 h 07 min",
    ]


def test_shares_are_written_with_two_digits() -> None:
    assert [share(each) for each in (None, 0.0123, 0.000345, 2.5, 0.999)] == ["-", "1.2 %", "0.034 %", "250 %", "100 %"]


def test_a_column_of_accuracies_needs_no_sign() -> None:
    assert [bare_percent(None), bare_percent(0.8804), bare_percent(1.0)] == ["-", "88.0", "100.0"]
