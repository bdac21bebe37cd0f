"""Answers that are not one row of class probabilities per sample, over the network and through audit and policy."""

import json

import numpy as np
import pytest
from support import tiny
from support.any_answer import OUTPUTS
from support.processes import CLIENTS, TESTS, TINY, Farm, run

from limbeck_common.core.arrays.encoded_rows import SparseRows
from limbeck_common.core.messages import ALL
from limbeck_server.events import UplinkAccepted
from limbeck_server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.e2e
BASE = {key: value for key, value in TINY.items() if not key.startswith("method.")}
OWN = ("--data", "support.tiny:data", "--model", "support.tiny:learner")


def federated(farm: Farm, settings: dict[str, str], members: dict[str, tuple[str, ...]]) -> SqliteStore:
    """Run a federation to its end, audit it, and return its store; each member is what `join` is told."""
    own = {"method.options.open_per_round": "30"} if "method.name" not in settings else {}
    server, address = farm.server(settings=BASE | own | settings)
    for process in [farm.client(name, address, *words) for name, words in members.items()]:
        farm.wait(process)
    farm.wait(server)
    audited = run("limbeck_server.cli.main", "audit", "--store", str(farm.folder / "store"), cwd=TESTS)
    assert audited.returncode == 0, audited.stdout
    assert audited.stdout.count("recomputed from them bit for bit") == 3
    return SqliteStore(farm.folder / "store")


def everyone(*words: str) -> dict[str, tuple[str, ...]]:
    return {name: ("--part", name[-1], *words) for name in CLIENTS}


def test_two_parts_one_with_a_weight_per_key_and_rows_of_a_shape_of_its_own(farm: Farm) -> None:
    policy = farm.folder / "policy.toml"
    policy.write_text('kinds = ["probabilities", "features"]\nkey_weights = true\n')
    store = federated(farm, {"method.name": "support.any_answer:TwoParts"}, everyone(*OWN, "--policy", str(policy)))
    private = [tiny.data(part, 0).private for part in range(3)]
    x = np.concatenate([each.x for each in private if each is not None])
    y = np.concatenate([each.y for each in private if each is not None])
    aggregate = store.aggregate(2, ALL)
    assert aggregate is not None
    means = aggregate["means"]
    assert means.array.shape == (3, 2, tiny.FEATURES)  # wider than the classes, and weighted by each class's rows
    for label in range(3):
        assert means.array[label : label + 1][0, 0] == pytest.approx(x[y == label].mean(axis=0), abs=1e-5)
        assert means.array[label : label + 1][0, 1] == pytest.approx((x[y == label] ** 2).mean(axis=0), abs=1e-5)
    store.close()
    log = farm.folder / "clients" / CLIENTS[0] / "release-log.jsonl"
    parts = json.loads(log.read_text().splitlines()[0])["parts"]
    assert [(each["part"], each["kind"]) for each in parts] == [("labels", "probabilities"), ("means", "features")]


def test_the_largest_labels_alone_travel_and_are_summed(farm: Farm) -> None:
    settings = {"method.options.top": "2", "method.options.aggregation": "sa"}
    store = federated(farm, settings, everyone(*OWN))
    uplinks = [parts["labels"].array for _, parts in store.uplinks(1)]
    assert all(isinstance(each, SparseRows) for each in uplinks)
    dense = np.mean([each[:] for each in uplinks], axis=0, dtype=np.float64)
    aggregate = store.aggregate(1, ALL)
    assert aggregate is not None
    found = np.asarray(aggregate["labels"].array[:])
    assert isinstance(aggregate["labels"].array, SparseRows)
    assert found.argmax(axis=1).tolist() == dense.argmax(axis=1).tolist()
    assert found.max(axis=1) == pytest.approx(dense.max(axis=1), abs=1e-3)  # half precision
    store.close()


def test_a_member_that_only_predicts_takes_part_without_private_rows(farm: Farm) -> None:
    members = everyone(*OWN)
    members[CLIENTS[0]] = ("--data", "support.any_answer:open_alone", "--model", "support.any_answer:rules")
    store = federated(farm, {}, members)
    for number in (1, 2, 3):
        answers = {client: np.asarray(parts["labels"].array[:]) for client, parts in store.uplinks(number)}
        assert set(answers) == set(CLIENTS)
        assert np.unique(answers[CLIENTS[0]].round(3)).tolist() == pytest.approx([0.1, 0.8])
    store.close()


def test_a_method_that_needs_more_than_predictions_names_what_a_member_lacks(farm: Farm) -> None:
    settings = BASE | {"method.name": "fedproto", "method.options.features": "6"}
    _, address = farm.server(settings=settings)
    policy = farm.folder / "policy.toml"
    policy.write_text('kinds = ["features"]\nkey_weights = true\n')
    client = farm.client("client-0", address, "--part", "0", "--policy", str(policy), *OWN)
    farm.wait(client, code=1)
    said = farm.logs()
    assert "method fedproto needs features of every learner, which Softmax does not offer" in said
    assert "Traceback" not in said


def test_numbers_are_predicted_by_learners_of_two_kinds(farm: Farm) -> None:
    settings = {
        "open.source": "support.any_answer:numbers",
        "output.task": "regression",
        "output.width": str(OUTPUTS),
        "method.options.aggregation": "sa",
    }
    members = everyone("--data", "support.any_answer:numbers", "--model", "support.any_answer:line")
    members[CLIENTS[2]] = (*members[CLIENTS[2]][:-1], "support.any_answer:boosted")
    store = federated(farm, settings, members)
    metrics = [fact.metrics for fact in store.facts() if isinstance(fact, UplinkAccepted)]
    assert all({"r2", "rmse", "loss"} <= set(each) for each in metrics)
    assert max(each["r2"] for each in metrics) > 0.9
    answers = [np.asarray(parts["labels"].array[:]) for _, parts in store.uplinks(3)]
    aggregate = store.aggregate(3, ALL)
    assert aggregate is not None
    assert np.asarray(aggregate["labels"].array[:]) == pytest.approx(np.mean(answers, axis=0), abs=1e-5)
    store.close()
