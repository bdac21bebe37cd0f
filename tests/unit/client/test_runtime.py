"""A round's work: on its own thread, judged before it is kept, and gone on from after a restart."""

import asyncio
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from structlog.testing import capture_logs
from support import tiny
from support.method_rounds import plan_of

from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.runtime import InProcessRuntime, data_loader, open_array
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import DataError, PolicyError, SettingsError, UserCodeError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.recipe import Fit
from limbeck_common.core.spec import DataSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.wire.digest import parts_digest

SPEC = Spec(output=Output(width=tiny.CLASSES), sample_shape=(tiny.FEATURES,), sample_dtype="<f4", open_rows=60)
WANTED = Rows(np.arange(0, 60, 2))
PLAN = plan_of(DSFL(), SPEC, WANTED)
FIRST = Downlink("f", 1, plan=PLAN)
SECOND = Downlink("f", 2, plan=PLAN)
CLOSING = Downlink("f", 3)
OPEN = tiny.data(0, 0).open
assert OPEN is not None


class Faulty(tiny.Softmax):
    """A learner that a test makes fail: `predicts` replaces its predictions."""

    predicts: Callable[[NDArray[Any], NDArray[np.float32]], NDArray[np.float32]] | None = None
    fits: Callable[[], None] | None = None

    def fit(self, examples: Examples, recipe: Fit) -> None:
        if self.fits is not None:
            self.fits()
        super().fit(examples, recipe)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        probabilities = super().predict(x)
        return probabilities if self.predicts is None else self.predicts(x, probabilities)

    def _train(self, x: NDArray[Any], targets: NDArray[np.float64], epochs: int) -> None:
        for _ in range(epochs):
            self.weights -= 0.1 * x.T.astype(np.float64) @ (super().predict(x) - targets) / len(x)


class Client:
    """A client's runtime in a folder, as it is after a start; `learner` is the one it made last."""

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        self.guard = ReleaseGuard.of(folder, policy or Policy())
        self.made: list[Faulty] = []
        loader = data_loader("support.tiny:data", 0, None)
        self.runtime = InProcessRuntime("a", "mine", "cpu", loader, self.guard)

    @property
    def learner(self) -> Faulty:
        return self.made[-1]

    def make(self, model: str, spec: Spec, seed: int, device: str) -> Faulty:
        assert (model, spec, device) == ("mine", SPEC, "cpu")
        self.made.append(Faulty(seed))
        return self.made[-1]

    def start(self) -> Uplink | None:
        """Load the data and the checkpoint, as a Join does."""

        async def join() -> Uplink | None:
            await self.runtime.open_digest(SPEC)
            await self.runtime.output_width(SPEC)
            return await self.runtime.resume(SPEC, "f")

        return asyncio.run(join())

    def work(self, downlink: Downlink, epoch: int = 1) -> Uplink:
        return asyncio.run(self.runtime.local_round(SPEC, downlink, epoch))


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Client]:
    """Return a function that starts a client, in the same folder as the one before unless another is named."""

    def start(policy: Policy | None = None, folder: str = "state") -> Client:
        client = Client(tmp_path / folder, policy)
        monkeypatch.setattr("limbeck_common.runtime.make_participant.make_learner", client.make)
        return client

    return start


def test_a_round_is_worked_and_kept_with_its_epoch(start: Callable[..., Client]) -> None:
    client = start()
    assert client.start() is None
    uplink = client.work(FIRST, epoch=3)
    assert (uplink.federation_id, uplink.client, uplink.round, uplink.epoch) == ("f", "a", 1, 3)
    assert uplink.parts["labels"].rows.tolist() == WANTED.indices.tolist()
    assert set(uplink.metrics) == {"accuracy", "balanced_accuracy", "loss", "seconds"}
    kept = client.guard.checkpoint("f", 60)
    assert kept is not None
    assert (kept.uplink.digest, kept.uplink.epoch, kept.uplink.metrics) == (uplink.digest, 3, uplink.metrics)
    assert kept.participant["own.weights"].tolist() == client.learner.weights.tolist()


def test_a_restarted_client_goes_on_with_the_same_bits(start: Callable[..., Client]) -> None:
    whole = start()
    whole.start()
    digests = [whole.work(downlink).digest for downlink in (FIRST, SECOND)]
    assert digests[0] != digests[1]
    killed = start(folder="other")
    killed.start()
    killed.work(FIRST)
    restarted = start(folder="other")
    resumed = restarted.start()
    assert resumed is not None
    assert (resumed.round, resumed.digest) == (1, digests[0])
    assert restarted.work(SECOND).digest == digests[1]


def test_another_federations_checkpoint_is_not_gone_on_from(start: Callable[..., Client]) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    assert asyncio.run(client.runtime.resume(SPEC, "g")) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_output_that_is_not_finite_is_not_kept_and_a_mended_model_goes_on(
    start: Callable[..., Client], bad: float
) -> None:
    client = start()
    client.start()
    first = client.work(FIRST)
    client.learner.predicts = lambda _, probabilities: np.full_like(probabilities, bad)
    with pytest.raises(UserCodeError, match="the learner's probabilities for open row 0 are not finite"):
        client.work(SECOND)
    mended = start()
    resumed = mended.start()
    assert resumed is not None
    assert (resumed.round, resumed.digest) == (1, first.digest)
    second = mended.work(SECOND)
    assert np.isfinite(second.parts["labels"].array[:]).all()


def test_a_metric_that_is_not_finite_is_left_out(start: Callable[..., Client]) -> None:
    client = start()
    client.start()
    rows = 50  # of the test set; the wanted ones are 30
    client.learner.predicts = lambda x, probabilities: probabilities * (math.nan if len(x) == rows else 1)
    with capture_logs() as logs:
        uplink = client.work(FIRST)
    assert set(uplink.metrics) == {"accuracy", "balanced_accuracy", "seconds"}
    assert [log["metrics"] for log in logs] == [["loss"]]
    assert client.guard.release(uplink) is True
    kept = client.guard.checkpoint("f", 60)
    assert kept is not None
    assert kept.uplink.metrics == uplink.metrics


def test_work_that_the_owner_does_not_allow_is_not_begun(start: Callable[..., Client]) -> None:
    client = start(Policy(rows_per_round=29))
    client.start()
    before = client.learner.weights.copy()
    with pytest.raises(PolicyError, match="rows per round: 30"):
        client.work(FIRST)
    assert client.learner.weights.tolist() == before.tolist()
    assert client.work(CLOSING).parts == {}


def test_the_rounds_answered_are_counted_per_epoch(start: Callable[..., Client]) -> None:
    client = start(Policy(rounds=1))
    client.start()
    client.guard.release(client.work(FIRST, epoch=1))
    client.work(FIRST, epoch=1)
    with pytest.raises(PolicyError, match="rounds answered"):
        client.work(FIRST, epoch=2)


def test_the_owners_decision_is_asked_of_the_guard(start: Callable[..., Client]) -> None:
    client = start()
    client.start()
    uplink = client.work(FIRST)
    assert asyncio.run(client.runtime.release(uplink)) is True
    assert [record.round for record in client.guard.release_log.read()] == [1]


def test_work_runs_beside_the_event_loop(start: Callable[..., Client]) -> None:
    client = start()
    client.start()
    seen = []
    client.learner.fits = lambda: seen.append(threading.current_thread())
    client.work(FIRST)
    assert len(seen) == 1
    assert seen[0] is not threading.main_thread()


def test_the_classes_are_those_of_a_prediction_or_unknown_before_training(start: Callable[..., Client]) -> None:
    client = start()
    asyncio.run(client.runtime.open_digest(SPEC))
    assert asyncio.run(client.runtime.output_width(SPEC)) == tiny.CLASSES
    seen = []
    client.learner.predicts = lambda x, _: seen.append(len(x)) or np.zeros((len(x), 7), np.float32)
    assert asyncio.run(client.runtime.output_width(SPEC)) == 7
    assert seen == [2]

    def untrained(*_: Any) -> NDArray[np.float32]:
        raise ValueError("not fitted yet")

    client.learner.predicts = untrained
    with capture_logs() as logs:
        assert asyncio.run(client.runtime.output_width(SPEC)) == 0
    assert [(log["log_level"], log["client"], log["why"]) for log in logs] == [("debug", "a", "not fitted yet")]
    assert len(client.made) == 1


def test_a_round_before_any_data_is_refused(start: Callable[..., Client]) -> None:
    with pytest.raises(DataError, match="no data was loaded; join first"):
        start().work(FIRST)


def test_nothing_is_saved_before_a_round_is_finished(start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    assert client.runtime.save(tmp_path / "out") is None
    client.start()
    assert client.runtime.save(tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_the_model_of_the_last_finished_round_is_saved(start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    assert client.runtime.save(tmp_path / "out") == tmp_path / "out" / "model.safetensors"
    assert load_file(tmp_path / "out" / "model.safetensors")["weights"].tolist() == client.learner.weights.tolist()
    assert len(client.made) == 1
    restarted = start()
    restarted.start()
    restarted.runtime.save(tmp_path / "again")
    assert load_file(tmp_path / "again" / "model.safetensors")["weights"].tolist() == client.learner.weights.tolist()
    assert len(restarted.made) == 1


def test_after_a_round_that_failed_the_model_of_the_one_before_is_saved(
    start: Callable[..., Client], tmp_path: Path
) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    good = client.learner.weights.copy()
    client.learner.predicts = lambda _, probabilities: probabilities * math.nan
    with pytest.raises(UserCodeError):
        client.work(SECOND)
    assert client.learner.weights.tolist() != good.tolist()
    assert client.runtime.save(tmp_path / "out") is not None
    assert load_file(tmp_path / "out" / "model.safetensors")["weights"].tolist() == good.tolist()


def test_a_model_in_training_is_not_saved_half_trained(start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    good = client.learner.weights.copy()
    training, go_on = threading.Event(), threading.Event()

    def block() -> None:
        client.made[0].weights = client.made[0].weights * 0
        training.set()
        assert go_on.wait(30)

    client.learner.fits = block

    async def scene() -> None:
        work = asyncio.create_task(client.runtime.local_round(SPEC, SECOND, 1))
        await asyncio.to_thread(training.wait, 30)
        client.runtime.save(tmp_path / "out")
        go_on.set()
        await work

    asyncio.run(scene())
    assert load_file(tmp_path / "out" / "model.safetensors")["weights"].tolist() == good.tolist()
    client.runtime.save(tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors")["weights"].tolist() == client.made[0].weights.tolist()


def test_a_client_that_joins_again_goes_on_from_the_checkpoint(start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    trained = client.learner.weights.copy()
    asyncio.run(client.runtime.open_digest(SPEC))
    client.runtime.save(tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors")["weights"].tolist() == trained.tolist()
    resumed = client.start()
    assert resumed is not None
    assert resumed.round == 1
    assert client.learner.weights.tolist() == trained.tolist()


def test_a_folder_that_cannot_be_written_is_named(start: Callable[..., Client], tmp_path: Path) -> None:
    client = start()
    client.start()
    client.work(FIRST)
    (tmp_path / "out").touch()
    with pytest.raises(SettingsError, match=f"cannot write to {tmp_path / 'out'}.*name another with --out"):
        client.runtime.save(tmp_path / "out")


def test_the_open_set_is_the_data_s_or_the_servers(tmp_path: Path) -> None:
    digest = open_digest(OPEN)
    guard = ReleaseGuard.of(tmp_path, Policy())
    runtime = InProcessRuntime("a", "support.tiny:learner", "cpu", data_loader("support.tiny:data", 0, None), guard)
    assert asyncio.run(runtime.open_digest(SPEC)) == digest
    private = tiny.data(0, 0).private
    runtime = InProcessRuntime("a", "support.tiny:learner", "cpu", lambda _: ParticipantData(private=private), guard)
    assert asyncio.run(runtime.open_digest(SPEC)) == b""
    assert asyncio.run(runtime.take_open_data(SPEC, OPEN.tobytes())) == digest
    uplink = asyncio.run(runtime.local_round(SPEC, FIRST, 1))
    assert len(uplink.parts["labels"].rows) == len(WANTED)


def test_the_aggregate_is_learned_from(start: Callable[..., Client]) -> None:
    alone = start()
    alone.start()
    alone.work(CLOSING)
    labels = {"labels": soft_labels(WANTED, np.full((30, 3), 1 / 3, np.float32))}
    distilled = start(folder="other")
    distilled.start()
    uplink = distilled.work(Downlink("f", 4, labels))
    assert uplink.digest == parts_digest({})
    assert distilled.learner.weights.tolist() != alone.learner.weights.tolist()


def test_whose_part_of_a_built_in_data_set_must_be_said() -> None:
    spec = Spec(
        output=Output(width=10), sample_shape=(1, 8, 8), sample_dtype="|u1", open_rows=9, data=DataSpec(parts=4)
    )
    with pytest.raises(DataError, match=r"whose part of digits.*expected --part 0 to --part 3, or data of your own"):
        data_loader(None, None, None)(spec)
    data = data_loader(None, 3, None)(spec)
    assert data.private is not None


def test_a_clients_data_is_loaded_as_it_is_named() -> None:
    data = data_loader("support.tiny:data", 1, None)(SPEC)
    expected = tiny.data(1, SPEC.seed).private
    assert data.private is not None
    assert expected is not None
    assert data.private.x.tolist() == expected.x.tolist()


def test_the_open_sets_bytes_must_be_as_many_as_the_specification_says() -> None:
    spec = Spec(output=Output(width=2), sample_shape=(2, 3), sample_dtype="<f4", open_rows=4)
    content = np.arange(24, dtype="<f4").tobytes()
    assert open_array(spec, content).tolist() == np.arange(24).reshape(4, 2, 3).tolist()
    for wrong in (content[:-1], content + b"\0", b""):
        with pytest.raises(DataError, match=f"the server sent {len(wrong)} bytes of open data; expected 96"):
            open_array(spec, wrong)
