"""A worker process does what its typed methods say, and its failures are one line each."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from safetensors.numpy import load_file
from support import tiny
from support.method_rounds import plan_of

from limbeck_common.core.arrays.encoded_rows import VoteRows
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import ALL, SERVER, Aggregate, Downlink
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import DataSpec, MethodSpec, Output, Spec
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.registry import learner_seed
from limbeck_common.runtime.local_round import local_round
from limbeck_common.runtime.requests import Setup
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.named_parts import write_named

SPEC = Spec(
    rounds=2,
    output=Output(width=3),
    sample_shape=(6,),
    sample_dtype="<f4",
    open_rows=60,
    data=DataSpec(dataset="own"),
    recipe=Recipe(fit=Fit(epochs=2), distill=Distill(epochs=2)),
)
SETUP = Setup(participant="a", spec=SPEC, model="support.tiny:learner", data="support.tiny:data", part=1)
WANTED = Rows(np.array([3, 4, 40]))
PLAN = plan_of(DSFL(), SPEC, WANTED)
LABELS = soft_labels(Rows(np.array([0, 7])), np.array([[0.8, 0.1, 0.1], [0, 0.5, 0.5]], np.float32))
LEARNED_FROM = {"labels": LABELS}
_Result = TypeVar("_Result")


@pytest.fixture(autouse=True)
def _workers_find_the_tests_own_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(tiny.__file__).parents[1]), prepend=os.pathsep)


def with_worker(use: Callable[[WorkerProcess], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        worker = WorkerProcess()
        try:
            return await use(worker)
        finally:
            await worker.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


def here() -> Participant:
    """Make the same participant in this process."""
    return Participant(SPEC, tiny.learner(learner_seed(SPEC, "a")), tiny.data(1, SPEC.seed))


def test_an_open_participant_is_named_by_its_open_set() -> None:
    async def use(worker: WorkerProcess) -> bytes:
        return await worker.open(SETUP)

    assert with_worker(use) == open_digest(here().open_rows)


def test_rounds_in_a_worker_are_those_in_this_process() -> None:
    participant, method = here(), DSFL()
    downlinks = [Downlink("f", 1, None, PLAN), Downlink("f", 2, LEARNED_FROM, PLAN), Downlink("f", 3, LEARNED_FROM)]
    here_done = [local_round(method, participant, each) for each in downlinks]

    async def use(worker: WorkerProcess) -> None:
        await worker.open(SETUP)
        for downlink, mine in zip(downlinks, here_done, strict=True):
            theirs = await worker.local_round(SPEC, "a", downlink)
            assert theirs.metrics.keys() == mine.metrics.keys()
            assert [value for name, value in theirs.metrics.items() if name != "seconds"] == [
                value for name, value in mine.metrics.items() if name != "seconds"
            ]
            assert parts_digest(theirs.parts) == parts_digest(mine.parts)
            assert (not theirs.parts) == downlink.closing

    with_worker(use)


def test_training_alone_takes_as_many_rounds_and_leaves_no_trace(tmp_path: Path) -> None:
    alone = here()
    for _ in range(SPEC.rounds):
        alone.fit()

    async def use(worker: WorkerProcess) -> None:
        await worker.open(SETUP)
        assert await worker.train_alone(SETUP) == alone.measure()
        await worker.save("a", tmp_path)

    with_worker(use)
    assert np.array_equal(load_file(tmp_path / "model.safetensors")["weights"], here().learner.state()["weights"])


def test_a_refined_aggregate_comes_back_with_its_audiences(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(write_named({"a": LEARNED_FROM}))
    spec = SPEC.model_copy(update={"method": MethodSpec(name="cfd", options={"open_per_round": 2})})
    setup = SETUP.model_copy(update={"participant": "server", "spec": spec, "part": None})

    async def use(worker: WorkerProcess) -> Aggregate:
        await worker.open(setup)
        return await worker.refine(spec, "server", 1, Aggregate({SERVER: {"means": LABELS}}, {"b": "wide"}), tmp_path)

    refined = with_worker(use)
    assert refined.blocks[SERVER]["means"].array[:].tolist() == LABELS.array[:].tolist()
    assert isinstance(refined.blocks[ALL]["labels"].array, VoteRows)


def test_a_models_shapes_are_those_that_its_block_has() -> None:
    spec = Spec(output=Output(width=3), sample_shape=(1, 2, 2), sample_dtype="|u1", open_rows=1)

    async def use(worker: WorkerProcess) -> dict[str, tuple[int, ...]]:
        return dict(await worker.parameter_shapes(spec, "mlp"))

    assert with_worker(use) == {
        "1.weight": (128, 4),
        "1.bias": (128,),
        "3.weight": (3, 128),
        "3.bias": (3,),
    }


def test_a_request_that_fails_is_one_line_and_the_worker_goes_on() -> None:
    async def use(worker: WorkerProcess) -> bytes:
        with pytest.raises(UserCodeError, match="unknown model 'nobody'; expected one of cnn"):
            await worker.open(SETUP.model_copy(update={"model": "nobody"}))
        return await worker.open(SETUP)

    assert len(with_worker(use)) == 32


def test_a_worker_that_dies_is_named_with_its_status() -> None:
    async def use(worker: WorkerProcess) -> None:
        with pytest.raises(UserCodeError, match="the worker that trains nobody died with exit status 1"):
            await worker.save("nobody", Path("models"))  # nobody of that name was opened: a bug

    with_worker(use)


def test_a_request_that_is_given_up_ends_the_worker_lest_its_answer_be_taken_for_the_next(tmp_path: Path) -> None:
    async def use(worker: WorkerProcess) -> None:
        await worker.open(SETUP)
        training = asyncio.create_task(worker.local_round(SPEC, "a", Downlink("f", 1, None, PLAN)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        training.cancel()
        with pytest.raises(asyncio.CancelledError):
            await training
        with pytest.raises(UserCodeError, match="the worker that trains a died with exit status -9"):
            await worker.save("a", tmp_path)

    with_worker(use)
