"""`limbeck-client digest`: name open data by its content."""

import click

from limbeck_common.core.errors import DataError
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.support.plugins import call_plugin


@click.command()
@click.argument("source", metavar="MODULE:CALLABLE")
def digest(source: str) -> None:
    """Print the digest of your open data.

    MODULE:CALLABLE returns a ParticipantData with open rows. The operator sets `open.digest`, `open.rows`,
    `open.sample_dtype` and `open.sample_shape` to what is printed.
    """
    rows = getattr(call_plugin(source, part=None, seed=0), "open", None)
    if rows is None:
        raise DataError(f"{source} returned no open rows", expected="a ParticipantData with open rows")
    click.echo(f"{open_digest(rows).hex()}  {len(rows)} rows of {rows.dtype.str} {list(rows.shape[1:])}")
