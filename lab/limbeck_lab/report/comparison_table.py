"""A comparison's table on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck_lab.compare.scores import Comparison, Score, Spread
from limbeck_lab.format import MISSING, bare_percent, duration, human_bytes, share

_WIDTH = 140  # where there is no terminal to ask


def with_range(spread: Spread | None) -> str:
    """Return the median accuracy, with lowest and highest where they differ.

    >>> with_range(Spread(median=0.88, low=0.871, high=0.902))
    '88.0 (87.1-90.2)'
    """
    if spread is None:
        return MISSING
    low, high = bare_percent(spread.low), bare_percent(spread.high)
    return bare_percent(spread.median) + (f" ({low}-{high})" if low != high else "")


def _median_bytes(spread: Spread | None) -> str:
    return human_bytes(spread.median if spread else None)


def headings(comparison: Comparison) -> list[str]:
    """Return the names of the columns."""
    target = f"to {100 * comparison.target:g} %"
    base = ["bytes of FedAvg's", f"{target}, of FedAvg's"] if comparison.has_baseline else ["", ""]
    local = "mean client, own rows" if comparison.has_local else ""
    names = [
        "method",
        "server",
        "mean client",
        local,
        "worst / median / best",
        "bytes",
        base[0],
        target,
        base[1],
        "time",
    ]
    return [name for name in names if name]


def cells(comparison: Comparison, score: Score) -> list[str]:
    """Return a variant's row."""
    extremes = " / ".join(bare_percent(each) for each in (score.worst, score.middle, score.best))
    row = [score.label, with_range(score.server), with_range(score.clients)]
    row += [with_range(score.local)] if comparison.has_local else []
    row += [extremes, _median_bytes(score.bytes)]
    row += [share(score.bytes_of_baseline)] if comparison.has_baseline else []
    row += [_median_bytes(score.target_bytes)]
    row += [share(score.target_bytes_of_baseline)] if comparison.has_baseline else []
    seconds = score.seconds.median if score.seconds else None
    return [*row, MISSING if seconds is None else duration(seconds)]


def explanation(comparison: Comparison) -> str:
    """Return what the columns show, and which runs they lack."""
    text = (
        "accuracy in percent on the test set at the end: median over the seeds (lowest-highest); "
        "worst, median and best client; bytes: per client, up and down, as encoded, with the closing round; "
        f"to {100 * comparison.target:g} %: until the server's model, or else the mean client, reached it"
    )
    if comparison.has_baseline:
        text += "; of FedAvg's: as a share of FedAvg's bytes, with the same models where it was run with them"
    lacking = [f"{score.label} {', '.join(map(str, score.missing))}" for score in comparison.scores if score.missing]
    return f"{text}; missing seeds: {'; '.join(lacking)}" if lacking else text


def markdown(comparison: Comparison) -> str:
    """Return the table and its explanation as Markdown."""
    header = headings(comparison)
    rows = [header, ["---", *["---:"] * (len(header) - 1)], *(cells(comparison, each) for each in comparison.scores)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n{explanation(comparison)}\n"


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print a row for each variant."""
    out = console or Console()
    if console is None and not out.is_terminal:
        out = Console(width=_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    first, *others = headings(comparison)
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right")
    for score in comparison.scores:
        table.add_row(*map(Text, cells(comparison, score)))
    out.print(table)
    out.print(Text(explanation(comparison), style="dim"))
