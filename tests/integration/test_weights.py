"""A federation of weights: what its store shows an audit, and how it goes on after a crash in the middle of a round."""

import contextlib
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from support.audits import damage, database, spoil, verdicts
from support.finished_store import CLIENTS, ROUNDS, SHAPES, run, specify

from limbeck_common.core.blocks import parameters
from limbeck_common.core.messages import ALL
from limbeck_common.wire.digest import parts_digest
from limbeck_server.events import Aggregated, UplinkAccepted, link
from limbeck_server.storage.block_rows import to_row
from limbeck_server.storage.protocols import PartsKey
from limbeck_server.storage.sqlite import SqliteStore

SPEC = specify("fedavg")


def aggregates(folder: Path) -> list[str]:
    store = SqliteStore(folder)
    try:
        return [fact.digest for fact in store.facts() if isinstance(fact, Aggregated)]
    finally:
        store.close()


def test_every_average_is_computed_again_bit_for_bit(tmp_path: Path) -> None:
    run(tmp_path, SPEC)
    assert damage(tmp_path) == []
    verdict = "3 uplinks sound, aggregate sound and recomputed from them bit for bit"
    assert [verdict.text for verdict in verdicts(tmp_path)][2:5] == [
        f"round {number}: {verdict}" for number in range(1, ROUNDS + 1)
    ]


@pytest.mark.parametrize("key", [PartsKey(2, "b"), PartsKey(2, ALL, aggregate=True)], ids=str)
def test_a_changed_byte_of_weights_is_found_and_named(tmp_path: Path, key: PartsKey) -> None:
    run(tmp_path, SPEC)
    spoil(tmp_path, key, place=17)
    (found,) = damage(tmp_path)
    assert found.startswith(f"{key}: its digest is ")


def test_a_weight_that_was_changed_with_all_digests_and_the_chain_gives_another_average(tmp_path: Path) -> None:
    """Whoever makes a client count for more leaves no trace but this one."""
    run(tmp_path, SPEC)
    store = SqliteStore(tmp_path)
    (parts,) = (parts for client, parts in store.uplinks(2) if client == "b")
    store.close()
    block = parts["model"]
    assert isinstance(block.weight, int)
    forged = {"model": parameters(block.parameters, weight=block.weight * 5)}
    with database(tmp_path) as connection:
        row = to_row(forged)
        columns = ", ".join(f"{name} = :{name}" for name in row)
        connection.execute(f"UPDATE uplinks SET {columns} WHERE round = 2 AND name = 'b'", row)  # noqa: S608
        chain = ""
        for number, line in connection.execute("SELECT number, fact FROM facts ORDER BY number").fetchall():
            written = line.replace(parts_digest(parts).hex(), parts_digest(forged).hex())
            chain = link(chain, written)
            connection.execute("UPDATE facts SET fact = ?, chain = ? WHERE number = ?", (written, chain, number))
    (found,) = damage(tmp_path)
    assert found.startswith("aggregate of round 2 for all: its uplinks give ")


def test_a_round_without_an_aggregate_is_no_damage(tmp_path: Path) -> None:
    run(tmp_path, SPEC, clients="ab")
    assert damage(tmp_path) == []
    assert [verdict.text for verdict in verdicts(tmp_path)][2:] == ["round 1: 2 uplinks sound, no aggregate"]


def test_it_goes_on_in_the_middle_of_a_round_and_ends_with_the_same_averages(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(whole, SPEC)
    run(broken, SPEC, clients="ca")
    with contextlib.closing(sqlite3.connect(broken / "journal.sqlite")) as connection:
        kept = [
            json.loads(line)["client"]
            for (line,) in connection.execute("SELECT fact FROM facts")
            if "uplink_accepted" in line
        ]
    assert sorted(kept) == ["a", "c"]
    run(broken, SPEC)
    assert aggregates(broken) == aggregates(whole)
    assert len(aggregates(whole)) == ROUNDS
    assert damage(broken) == []


def test_the_average_is_that_of_the_uplinks_and_says_whose_model_each_was(tmp_path: Path) -> None:
    run(tmp_path, SPEC)
    store = SqliteStore(tmp_path)
    blocks = {client: parts["model"] for client, parts in store.uplinks(1)}
    aggregate = store.aggregate(1, ALL)
    facts = [fact for fact in store.facts() if isinstance(fact, UplinkAccepted) and fact.round == 1]
    store.close()
    assert {fact.client: fact.architecture for fact in facts} == dict.fromkeys(CLIENTS, "cnn")
    assert aggregate is not None
    total = sum(block.weight for block in blocks.values())
    for name in SHAPES:
        mean = sum(block.parameters[name].astype(np.float64) * block.weight for block in blocks.values()) / total
        assert aggregate["model"].parameters[name] == pytest.approx(mean, abs=1e-6)
