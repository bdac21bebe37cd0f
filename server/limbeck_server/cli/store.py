"""Commands on a store's folder, without a daemon's help: audit, backup, restore."""

import sys
from pathlib import Path

import click

from limbeck_server.audit.audit import audit as verdicts_on
from limbeck_server.storage import backup as copies
from limbeck_server.storage.sqlite_reader import SqliteReader

_FOLDER = click.Path(path_type=Path)
_STORE = click.option("--store", default="limbeck-store", show_default=True, type=_FOLDER, help="A daemon's folder.")


@click.command()
@_STORE
@click.option("--head", default="", help="A chain value that an earlier audit printed; it must still be there.")
def audit(store: Path, head: str) -> None:
    """Check that a store is what a daemon wrote, round by round.

    Its aggregates must follow from its uplinks. It prints one line per round; the exit status is 1 if anything is
    damaged. No daemon may be running on the store. A read-only copy will do.
    """
    reader = SqliteReader(store)
    faults = 0
    try:
        for verdict in verdicts_on(reader, head):
            click.echo(verdict.text)
            for fault in verdict.damage:
                faults += 1
                click.echo(f"  {fault}")
    finally:
        reader.close()
    click.echo(f"{faults} damaged" if faults else "all is as it was written")
    sys.exit(1 if faults else 0)


@click.command()
@_STORE
@click.argument("out", type=_FOLDER)
def backup(store: Path, out: Path) -> None:
    """Copy a store to the new folder OUT, also while a daemon works in it.

    The copy holds the journal and all blocks as of one moment, and is checked. Certificates lie in another folder.
    """
    copied = copies.backup(store, out)
    click.echo(
        f"{copied.facts} facts and {copied.blocks} blocks of {store} copied to {out}; "
        f"to bring them back: limbeck-server restore {out} --store NEW"
    )


@click.command()
@click.argument("backup", metavar="BACKUP", type=_FOLDER)
@click.option("--store", required=True, type=_FOLDER, help="The new folder.")
def restore(backup: Path, store: Path) -> None:
    """Copy a backup to a new folder, from which a daemon resumes.

    BACKUP is a folder that `limbeck-server backup` made. Clients that have seen later rounds than the backup's go on
    from its round.
    """
    copied, epoch = copies.restore(backup, store)
    click.echo(
        f"{copied.facts} facts and {copied.blocks} blocks restored to {store}, epoch {epoch}; "
        f"to go on: limbeck-server run with the settings as before and --store {store}"
    )
