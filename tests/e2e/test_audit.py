"""`limbeck-server audit` on what real processes left."""

import json
import sqlite3
from pathlib import Path

import pytest
from support.processes import CLIENTS, TINY, Farm, run

pytestmark = pytest.mark.e2e


def audit_as_json(store: Path) -> str:
    return run("limbeck_server.cli.main", "audit", "--store", str(store), "--json").stdout


def test_the_store_of_a_federation_passes_until_a_byte_of_it_changes(farm: Farm) -> None:
    server, address = farm.server(settings=TINY | {"store.keep_rounds": "2"})
    store = farm.folder / "store"
    meanwhile = run("limbeck_server.cli.main", "audit", "--store", str(store))
    assert meanwhile.returncode == 1
    assert "another daemon works in" in meanwhile.stderr
    for process in [farm.client(name, address) for name in CLIENTS]:
        farm.wait(process)
    farm.wait(server)

    passed = run("limbeck_server.cli.main", "audit", "--store", str(store))
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "round 1: uplinks deleted, aggregate sound\n" in passed.stdout
    assert "round 3: 3 uplinks sound, aggregate sound and recomputed from them bit for bit" in passed.stdout
    assert passed.stdout.endswith("all is as it was written\n")

    verdicts = [json.loads(line) for line in audit_as_json(store).splitlines()]
    assert verdicts[0] == {"text": "database: sound", "damage": []}
    shown = run("limbeck_server.cli.main", "history", "--store", str(store)).stdout.splitlines()
    assert shown[0].endswith(": finished, round 3 of 3")
    assert shown[-1].endswith("finished: all 3 rounds done")
    lines = run("limbeck_server.cli.main", "history", "--store", str(store), "--json").stdout.splitlines()
    assert json.loads(lines[0])["members"] == list(CLIENTS)
    assert [json.loads(line)["number"] for line in lines[1:]] == list(range(1, len(shown)))

    journal = store / "journal.sqlite"
    with sqlite3.connect(journal) as database:
        query = "SELECT payload FROM uplinks WHERE round = 2 AND name = 'client-1'"
        (values,) = database.execute(query).fetchone()
    database.close()
    content = bytearray(journal.read_bytes())
    content[content.index(values[:64])] ^= 1
    journal.write_bytes(content)
    failed = run("limbeck_server.cli.main", "audit", "--store", str(store))
    assert failed.returncode == 1
    assert "round 2: DAMAGED\n  uplink of client-1 for round 2: its digest is" in failed.stdout
    assert failed.stdout.endswith("1 damaged\n")
    (damaged,) = [each for each in map(json.loads, audit_as_json(store).splitlines()) if each["damage"]]
    assert damaged["text"] == "round 2: DAMAGED"
