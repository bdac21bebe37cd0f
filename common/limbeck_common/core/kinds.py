"""What the values of a block mean. All that depends on it is said here, and nowhere else."""

from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import ValuesError
from limbeck_common.core.softmax import softmax

ROUNDING = 1e-6
"""How far a softmax's values may lie outside 0 to 1."""

TOTAL_TOLERANCE = 1e-2
"""How far from its total a row may sum: a float16 softmax over 1,000 classes stays within it."""

_SUM_BITS = 63  # of a sum in int64, besides its sign


class _Facts(NamedTuple):
    low: float
    high: float
    fraction_bits: int
    exposes: str


class Kind(StrEnum):
    """What values mean: their range, the fixed point of their exact sums, and what they expose of the private rows.

    In exact sums, values are rounded to multiples of 2^-fraction_bits.

    >>> Kind.PROBABILITIES.high, Kind.PROBABILITIES.total, Kind("logits").total
    (1.0, 1.0, None)
    """

    low: float
    high: float
    fraction_bits: int
    exposes: str

    PROBABILITIES = "probabilities", _Facts(0.0, 1.0, 32, "how likely the model finds each class, per row")
    LOGITS = "logits", _Facts(-32768.0, 32768.0, 24, "the model's score of each class, per row")
    PARAMETERS = "parameters", _Facts(-32768.0, 32768.0, 24, "the model itself")
    MEMBERSHIPS = "memberships", _Facts(0.0, 1.0, 32, "how likely the model finds each label, per row")
    VALUES = "values", _Facts(-32768.0, 32768.0, 24, "the numbers that the model predicts, per row")
    FEATURES = "features", _Facts(-32768.0, 32768.0, 24, "the model's inner representation of rows, or its means")
    COUNTS = "counts", _Facts(0.0, float(1 << 31), 0, "how many private rows there are, in all or per class")
    VOTES = "votes", _Facts(0.0, 1.0, 32, "the likeliest class alone, per row")
    SAMPLES = "samples", _Facts(-1e30, 1e30, 0, "rows that were made, not observed")

    def __new__(cls, name: str, facts: _Facts) -> Self:
        """Return a member, which is its name, with its facts as attributes."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.low, member.high, member.fraction_bits, member.exposes = facts
        return member

    @property
    def total(self) -> float | None:
        """What the values of one row sum to along the last axis; None where that is not fixed."""
        return 1.0 if self in {Kind.PROBABILITIES, Kind.VOTES} else None

    @property
    def summed(self) -> bool:
        """Whether blocks of this kind can be averaged. Samples cannot."""
        return self is not Kind.SAMPLES

    @property
    def most_weight(self) -> int:
        """The largest total weight of the blocks in one sum: beyond it an int64 could overflow."""
        return int(2 ** (_SUM_BITS - self.fraction_bits) // int(self.high)) - 1

    @property
    def is_likelihood(self) -> bool:
        """Whether an owner's limits on confidence and entropy apply as the values are."""
        return self in {Kind.PROBABILITIES, Kind.MEMBERSHIPS, Kind.VOTES}

    @property
    def is_comparable(self) -> bool:
        """Whether clients' values can be compared as probabilities: see `to_probabilities`."""
        return self.is_likelihood or self is Kind.LOGITS

    def to_probabilities(self, values: NDArray[Any]) -> NDArray[Any] | None:
        """Return values as numbers from 0 to 1 that can be compared between clients; None where there are none.

        Class scores become their softmax, so that large scores do not make one client the mean of all.
        """
        if self is Kind.LOGITS:
            return softmax(values)
        return values if self.is_likelihood else None

    def check(self, values: NDArray[Any], start: int = 0) -> None:
        """Check what sums and policies rely on: values are finite and in range, and rows have their total.

        `values` have the shape [keys, ...]; `start` is the position of the first in its block.

        Raises:
            ValuesError: names the first key that fails, by its position in the block.
        """
        if not len(values) or self._is_plainly_sound(values):
            return
        flat = values.reshape(len(values), -1)
        _require(np.all(np.isfinite(flat), axis=1), start, "is not finite", "finite numbers")
        slack = ROUNDING if self.high == 1.0 else 0.0
        within = (flat >= self.low - slack) & (flat <= self.high + slack)
        _require(np.all(within, axis=1), start, "is out of range", f"{self.low:g} to {self.high:g}")
        if self.total is None:
            return
        sums = values.sum(axis=-1, dtype=np.float64).reshape(len(values), -1)
        off: NDArray[np.float64] = np.abs(sums - self.total).max(axis=1, initial=0.0)
        _require(
            np.asarray(off <= TOTAL_TOLERANCE), start, "does not sum to 1", "rows that are probability distributions"
        )
        if self is Kind.VOTES:
            one = np.all(np.isin(flat, (0.0, 1.0)), axis=1)
            _require(one, start, "is not one class", "a 1 for the likeliest class and zeros")

    def _is_plainly_sound(self, values: NDArray[Any]) -> bool:
        """Say whether a quick look is enough: it finds most values sound, and finds nothing sound that is not."""
        least, most = values.min(), values.max()  # not-a-number is the least and the largest, and fails the comparisons
        if not (np.isfinite(least) and np.isfinite(most) and self.low <= least and most <= self.high):
            return False
        if self.total is None:
            return True
        if self is Kind.VOTES or values.dtype not in (np.float32, np.float64):
            return False
        sums = values @ np.ones(values.shape[-1], values.dtype)  # in the values' own precision, so not to the last bit
        return bool(np.abs(sums - self.total).max() <= TOTAL_TOLERANCE / 2)


def _require(good: NDArray[Any], start: int, wrong: str, expected: str) -> None:
    if not good.all():
        row = start + int(np.argmin(good))
        raise ValuesError(f"row {row} of the block {wrong}", expected=expected, remedy="check the learner's output")
