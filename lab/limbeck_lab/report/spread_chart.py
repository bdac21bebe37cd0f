"""Charts that show how far a figure spreads: a band around a line, and rows of whiskers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limbeck_lab.report.chart import BOTTOM, LEFT, RIGHT, TOP, Axis, Drawing, Mark, Series, line_chart

ROW, LETTER, LONGEST = 30, 7.6, 26
"""Pixels of a row's height and of a letter's width; letters of a label, past which it is cut."""


@dataclass(frozen=True)
class Banded:
    """A line, and the (x, low, high) of the band around it."""

    line: Series
    band: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Row:
    """One row: a whisker from `low` to `high`, and a dot on it."""

    label: str
    style: str
    low: float
    middle: float | None
    high: float


def banded_chart(banded: Sequence[Banded], x: Axis, y: Axis, size: tuple[int, int]) -> Drawing:
    """Join each line's points, over the bands of all."""
    width, height = size
    lines = line_chart([each.line for each in banded], x, y, size)

    def band(each: Banded) -> Mark:
        upper = [(px, high) for px, _, high in each.band]
        lower = [(px, low) for px, low, _ in reversed(each.band)]
        corners = (
            f"{x.place(px, LEFT, width - RIGHT):.1f} {y.place(py, height - BOTTOM, TOP):.1f}"
            for px, py in upper + lower
        )
        style = each.line.style.replace("line", "band")
        return Mark(f"{each.line.label}: lowest to highest", style, f"M{' L'.join(corners)}z")

    return replace(lines, marks=(*(band(each) for each in banded if len(each.band) > 1), *lines.marks))


def row_chart(rows: Sequence[Row | str], x: Axis, width: int) -> Drawing:
    """Draw a row for each, from the top; one of a label alone stays empty."""
    labels = [row if isinstance(row, str) else row.label for row in rows]
    left = round(16 + LETTER * min(LONGEST, max(map(len, labels))))
    height = TOP + BOTTOM + ROW * len(rows)
    ticks = tuple((len(rows) - place - 0.5, _cut(label)) for place, label in enumerate(labels))
    y = Axis("", 0, len(rows), ticks)
    marks = []
    for (at, _), row in zip(ticks, rows, strict=True):
        if isinstance(row, str):
            continue
        low, high = (x.place(value, left, width - RIGHT) for value in (row.low, row.high))
        level = y.place(at, height - BOTTOM, TOP)
        path = f"M{low:.1f} {level - 5:.1f}v10 M{low:.1f} {level:.1f}H{high:.1f} M{high:.1f} {level - 5:.1f}v10"
        dots = () if row.middle is None else ((round(x.place(row.middle, left, width - RIGHT), 1), round(level, 1)),)
        marks.append(Mark(row.label, row.style, path, dots))
    return Drawing(width, height, x, y, tuple(marks), left=left)


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
