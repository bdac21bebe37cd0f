"""`limbeck-lab report`."""

from pathlib import Path

import click

from limbeck_lab.compare.plan import is_comparison
from limbeck_lab.report.comparison_report import write_comparison
from limbeck_lab.report.run_report import write_report


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path, exists=True))
def report(folder: Path) -> None:
    """Write a run's or a comparison's report.html again.

    RUN is the folder of the run or of the comparison.
    """
    click.echo(write_comparison(folder)[0] if is_comparison(folder) else write_report(folder))
