"""Metrics of the server's own model, as the journal keeps them."""

from pathlib import Path

import numpy as np
from support.finished_store import ROUNDS, work

from limbeck_common.core.blocks import Parts
from limbeck_server.events import Evaluated
from limbeck_server.storage.sqlite import SqliteStore


class Diverging:
    """A model whose loss is no number any more."""

    async def learn(self, number: int, aggregate: Parts) -> dict[str, float]:  # noqa: ARG002 - whatever is taught
        return {"accuracy": 0.1, "loss": np.nan, "entropy": np.inf}


def test_only_finite_figures_become_facts(tmp_path: Path) -> None:
    work(tmp_path, server_model=Diverging())
    store = SqliteStore(tmp_path)
    metrics = [fact.metrics for fact in store.facts() if isinstance(fact, Evaluated)]
    store.close()
    assert metrics == [{"accuracy": 0.1}] * ROUNDS
