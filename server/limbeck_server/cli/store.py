"""Commands on a store's folder, without a daemon's help: audit, backup, restore."""

import sys
from dataclasses import asdict
from functools import reduce
from json import dumps
from pathlib import Path

import click

from limbeck_common.core.spec import Spec
from limbeck_common.support.cli import AS_JSON
from limbeck_server.audit.audit import audit as verdicts_on
from limbeck_server.cli.printing import as_json, event_line
from limbeck_server.events import from_json
from limbeck_server.round.state import FederationState, evolve
from limbeck_server.rpc.operator_service import event_of
from limbeck_server.storage import backup as copies
from limbeck_server.storage.sqlite_reader import SqliteReader

_FOLDER = click.Path(path_type=Path)
_STORE = click.option("--store", default="limbeck-store", show_default=True, type=_FOLDER, help="A daemon's folder.")


@click.command()
@_STORE
@click.option("--head", default="", help="A chain value that an earlier audit printed; it must still be there.")
@AS_JSON
def audit(store: Path, head: str, *, json: bool) -> None:
    """Check that a store is what a daemon wrote, round by round.

    Its aggregates must follow from its uplinks. It prints one line per round; the exit status is 1 if anything is
    damaged. No daemon may be running on the store. A read-only copy will do.
    """
    reader = SqliteReader(store)
    faults = 0
    try:
        for verdict in verdicts_on(reader, head):
            faults += len(verdict.damage)
            click.echo(dumps(asdict(verdict)) if json else "\n  ".join([verdict.text, *verdict.damage]))
    finally:
        reader.close()
    if not json:
        click.echo(f"{faults} damaged" if faults else "all is as it was written")
    sys.exit(1 if faults else 0)


@click.command()
@_STORE
@AS_JSON
def history(store: Path, *, json: bool) -> None:
    """Show a store's federation and its events, without a daemon.

    The first line says how far the federation is; then one line per event, as `watch` shows them. No daemon may be
    running on the store.
    """
    reader = SqliteReader(store)
    try:
        facts = [(number, from_json(line)) for number, line, _ in reader.facts()]
        spec = reader.note("spec")
    finally:
        reader.close()
    state = reduce(evolve, (fact for _, fact in facts), FederationState())
    rounds = Spec.model_validate_json(spec).rounds if spec else 0
    said = {
        "federation_id": state.federation_id,
        "phase": str(state.phase),
        "round": min(state.round, rounds),
        "rounds": rounds,
        "reason": state.reason,
        "members": sorted(state.members),
    }
    if json:
        click.echo(dumps(said))
    else:
        click.echo("federation {federation_id}: {phase}, round {round} of {rounds}".format(**said))
    for number, fact in facts:
        event = event_of(number, fact)
        click.echo(as_json(event, on_one_line=True) if json else event_line(event))


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
