"""A comparison's table on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck_lab.compare.scores import Comparison, Score, Spread
from limbeck_lab.report.table import MISSING, duration, human_bytes

_WIDTH = 140  # where there is no terminal to ask


def accuracy(figure: float | None) -> str:
    """Write an accuracy in percent, without the sign: 88.0."""
    return MISSING if figure is None else f"{100 * figure:.1f}"


def accuracies(spread: Spread | None) -> str:
    """Write the median, and lowest and highest where they differ: 88.0 (87.1-90.2)."""
    if spread is None:
        return MISSING
    low, high = accuracy(spread.low), accuracy(spread.high)
    return accuracy(spread.median) + (f" ({low}-{high})" if low != high else "")


def amount(spread: Spread | None) -> str:
    """Write the median of bytes."""
    return human_bytes(round(spread.median)) if spread is not None and spread.median is not None else MISSING


def share(figure: float | None) -> str:
    """Write a share of FedAvg's bytes, two digits of it: 1.2 %, 0.034 %, 250 %."""
    return MISSING if figure is None else f"{float(f'{100 * figure:.2g}'):g} %"


def headings(comparison: Comparison) -> list[str]:
    """Return the names of the columns."""
    target = f"to {100 * comparison.target:g} %"
    base = ["bytes of FedAvg's", f"{target}, of FedAvg's"] if comparison.has_baseline else ["", ""]
    names = ["method", "server", "mean client", "worst / median / best", "bytes", base[0], target, base[1], "time"]
    return [name for name in names if name]


def cells(comparison: Comparison, score: Score) -> list[str]:
    """Return a variant's row."""
    extremes = " / ".join(accuracy(each) for each in (score.worst, score.middle, score.best))
    row = [score.label, accuracies(score.server), accuracies(score.clients), extremes, amount(score.bytes)]
    row += [share(score.bytes_of_baseline)] if comparison.has_baseline else []
    row += [amount(score.target_bytes)]
    row += [share(score.target_bytes_of_baseline)] if comparison.has_baseline else []
    seconds = score.seconds.median if score.seconds else None
    return [*row, MISSING if seconds is None else duration(seconds)]


def explanation(comparison: Comparison) -> str:
    """Say what the figures are, and which runs they lack."""
    text = (
        "accuracy in percent on the test set at the end: median over the seeds (lowest-highest); "
        "worst, median and best client; bytes: a client's, up and down, as encoded, the closing round included; "
        f"to {100 * comparison.target:g} %: until the server's model, or else the mean client, got there"
    )
    if comparison.has_baseline:
        text += "; of FedAvg's: as a share of what FedAvg took, with the same models where it was run with them"
    lacking = [f"{score.label} {', '.join(map(str, score.missing))}" for score in comparison.scores if score.missing]
    return f"{text}; seeds that are missing: {'; '.join(lacking)}" if lacking else text


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
