"""A checkpoint saves a restart's time, and changes nothing else."""

import json
from functools import reduce
from pathlib import Path

import pytest
from support.audits import damage
from support.finished_store import work

from limbeck_server.round import coordinator
from limbeck_server.round.checkpoint import Progress, from_text
from limbeck_server.storage.checkpoint_file import FILE
from limbeck_server.storage.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a finished federation's store, in which every round left a checkpoint."""
    monkeypatch.setattr(coordinator, "_CHECKPOINT_FACTS", 1)
    work(tmp_path)
    return tmp_path


def test_a_checkpoint_and_the_facts_behind_it_are_all_facts(store: Path) -> None:
    opened = SqliteStore(store)
    kept = opened.checkpoint()
    assert kept is not None
    found = from_text(kept.text)
    assert found is not None
    assert 0 < found.facts == kept.facts < len(opened.facts())
    assert reduce(Progress.after, opened.facts(kept.facts), found) == reduce(Progress.after, opened.facts(), Progress())
    opened.close()


def test_the_audit_names_a_checkpoint_that_does_not_follow_from_the_facts(store: Path) -> None:
    assert damage(store) == []
    kept = json.loads((store / FILE).read_text())
    kept["text"] = kept["text"].replace('"federation_id":"', '"federation_id":"x')
    (store / FILE).write_text(json.dumps(kept))
    assert damage(store) == ["the checkpoint does not follow from the facts: remove checkpoint.json"]
