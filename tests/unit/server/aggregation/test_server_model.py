"""The server's own model in its worker: which aggregate it learns from, what it is handed, and what may go wrong."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.federations import SPEC

from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_common.core.errors import SetupError
from limbeck_common.core.messages import ALL, SERVER, Aggregate, Downlink, architecture, group
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.local_round import LocalResult
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.named_parts import read_named
from limbeck_server.aggregation.server_model import WorkerServerModel


def labels(row: int) -> Parts:
    return {"labels": soft_labels(Rows(np.array([row])), np.full((1, 3), 1 / 3, np.float32))}


def contents(folder: Path) -> list[tuple[str, list[int]]]:
    """Return each file's name, and the rows of its labels."""
    return [
        (path.name, parts["labels"].rows.tolist())
        for path in sorted(folder.iterdir())
        for parts in read_named(path.read_bytes(), SPEC.open_rows).values()
    ]


class Recorder(WorkerProcess):
    """A worker that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    async def local_round(self, spec: Spec, participant: str, downlink: Downlink) -> LocalResult:
        self.asked.append((spec, participant, downlink.round, downlink.aggregate, downlink.closing))
        return LocalResult({}, {"accuracy": 0.5})

    async def refine(self, spec: Spec, participant: str, number: int, aggregate: Aggregate, uplinks: Path) -> Aggregate:
        self.asked.append((spec, participant, number, contents(uplinks)))
        return Aggregate({"refined": aggregate.blocks[ALL]})

    async def save(self, participant: str, path: Path) -> None:
        self.asked.append((participant, path))


@pytest.mark.parametrize(
    ("audiences", "chosen"),
    [
        ([ALL, group("a"), architecture("mlp"), SERVER], SERVER),
        ([ALL, group("a"), architecture("mlp")], architecture("mlp")),
        ([ALL, group("a"), architecture("cnn")], ALL),
    ],
)
async def test_the_model_learns_from_its_own_aggregate_else_the_nearest(audiences: list[str], chosen: str) -> None:
    worker, aggregates = Recorder(), {audience: labels(place) for place, audience in enumerate(audiences)}
    assert await WorkerServerModel(worker, SPEC, "mlp").learn(4, aggregates) == {"accuracy": 0.5}
    assert worker.asked == [(SPEC, SERVER, 5, aggregates[chosen], True)]


async def test_what_the_model_alone_gets_comes_beside_what_goes_to_all() -> None:
    worker, means = Recorder(), {"means": labels(1)["labels"]}
    await WorkerServerModel(worker, SPEC, "mlp").learn(1, {ALL: labels(0), SERVER: means})
    assert sorted(worker.asked[0][3]) == ["labels", "means"]


async def test_where_nothing_was_made_for_it_the_model_is_measured_alone() -> None:
    worker = Recorder()
    await WorkerServerModel(worker, SPEC, "mlp").learn(1, {group("a"): labels(0)})
    assert worker.asked == [(SPEC, SERVER, 2, None, True)]


async def test_a_refining_worker_gets_each_uplink_in_a_file_and_the_file_is_gone_after() -> None:
    worker, aggregate = Recorder(), Aggregate({ALL: labels(9)})
    uplinks = iter([(f"client-{row}", labels(row)) for row in range(11)])
    refined = await WorkerServerModel(worker, SPEC, "mlp").refine(3, aggregate, uplinks)
    assert refined.blocks == {"refined": aggregate.blocks[ALL]}
    assert worker.asked == [(SPEC, SERVER, 3, [(f"{row:09}", [row]) for row in range(11)])]


async def test_the_model_is_saved_where_it_is_told(tmp_path: Path) -> None:
    worker = Recorder()
    await WorkerServerModel(worker, SPEC, "mlp").save(tmp_path / "model")
    assert worker.asked == [(SERVER, tmp_path / "model")]


async def test_a_folder_that_cannot_take_the_uplinks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    with pytest.raises(SetupError, match="the uplinks of round 3 cannot be handed to the server's own model: No such"):
        await WorkerServerModel(Recorder(), SPEC, "mlp").refine(3, Aggregate({ALL: labels(0)}), iter([]))
