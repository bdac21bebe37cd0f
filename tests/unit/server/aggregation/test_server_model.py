"""The server's own model in its worker: which aggregate it learns from, what it is handed, and what may go wrong."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.federations import SPEC

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.errors import SetupError
from limbeck_common.core.messages import SERVER, Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.local_round import LocalResult
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.named_parts import read_named
from limbeck_server.aggregation.server_model import WorkerServerModel


def labels(row: int) -> Block:
    return soft_labels(Rows(np.array([row])), np.full((1, 3), 1 / 3, np.float32))


def contents(folder: Path) -> list[tuple[str, list[int]]]:
    """Return each file's name, and the rows of its block."""
    return [
        (path.name, read_named(path.read_bytes(), SPEC.open_rows)[""].rows.tolist())
        for path in sorted(folder.iterdir())
    ]


class Recorder(WorkerProcess):
    """A worker that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    async def local_round(
        self, spec: Spec, participant: str, number: int, aggregate: Block | None, wanted: Rows | None
    ) -> LocalResult:
        self.asked.append((spec, participant, number, aggregate, wanted))
        return LocalResult(None, {"accuracy": 0.5})

    async def refine(self, spec: Spec, participant: str, number: int, aggregate: Aggregate, uplinks: Path) -> Aggregate:
        self.asked.append((spec, participant, number, contents(uplinks)))
        return Aggregate({"refined": aggregate.blocks[""]})

    async def save(self, participant: str, path: Path) -> None:
        self.asked.append((participant, path))


@pytest.mark.parametrize(
    ("groups", "chosen"),
    [(["", "a", "mlp", SERVER], SERVER), (["", "a", "mlp"], ""), (["a", "mlp", "z"], "mlp"), (["z", "b", "c"], "b")],
)
async def test_the_model_learns_from_its_own_aggregate_else_the_nearest(groups: list[str], chosen: str) -> None:
    worker, aggregates = Recorder(), {group: labels(place) for place, group in enumerate(groups)}
    assert await WorkerServerModel(worker, SPEC, "mlp").learn(4, aggregates) == {"accuracy": 0.5}
    assert worker.asked == [(SPEC, SERVER, 5, aggregates[chosen], None)]


async def test_a_refining_worker_gets_each_uplink_in_a_file_and_the_file_is_gone_after() -> None:
    worker, aggregate = Recorder(), Aggregate({"": labels(9)})
    uplinks = iter([(f"client-{row}", labels(row)) for row in range(11)])
    refined = await WorkerServerModel(worker, SPEC, "mlp").refine(3, aggregate, uplinks)
    assert refined.blocks == {"refined": aggregate.blocks[""]}
    assert worker.asked == [(SPEC, SERVER, 3, [(f"{row:09}", [row]) for row in range(11)])]


async def test_the_model_is_saved_where_it_is_told(tmp_path: Path) -> None:
    worker = Recorder()
    await WorkerServerModel(worker, SPEC, "mlp").save(str(tmp_path / "model"))
    assert worker.asked == [(SERVER, tmp_path / "model")]


async def test_a_folder_that_cannot_take_the_uplinks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    with pytest.raises(SetupError, match="the uplinks of round 3 cannot be handed to the server's own model: No such"):
        await WorkerServerModel(Recorder(), SPEC, "mlp").refine(3, Aggregate({"": labels(0)}), iter([]))
