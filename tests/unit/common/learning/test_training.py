"""An owner's optimizer, schedule and augmentation; batches of what is no array; integers; answers with logits."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.datasets.row_view import RowView
from limbeck_common.learning.learner import Capability, check_capabilities
from limbeck_common.learning.metrics import evaluate
from limbeck_common.learning.torch_learner import Step, TorchLearner
from limbeck_common.learning.training import Training

SPEC = Spec(rounds=4, output=Output(width=2), sample_shape=(3,), sample_dtype="<f4", open_rows=1)
CPU = torch.device("cpu")
FIT = Fit(epochs=2, batch_size=8)


def examples(rows: int = 40, seed: int = 0) -> Examples:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
    return Examples(x, (x[:, 0] > x[:, 1]).astype(np.int64))


def adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.05, weight_decay=0.1)


def owned(**said: Any) -> TorchLearner:
    return TorchLearner(lambda: Training(nn.Linear(3, 2), **said), SPEC, 1, CPU)


def test_an_owners_optimizer_learns_and_goes_on_from_its_state() -> None:
    whole, restored = owned(optimizer=adamw), owned(optimizer=adamw)
    for _ in range(3):
        whole.fit(examples(), FIT)
    assert evaluate(whole, examples(seed=1), SPEC.output)["accuracy"] > 0.85
    restored.load_state(whole.state())
    assert "fit.0.exp_avg" in whole.state()
    for each in (whole, restored):
        each.fit(examples(), FIT)
        each.distill(examples().x, np.full((40, 2), 0.5, np.float32), Distill())
    assert np.array_equal(whole.scores(examples().x), restored.scores(examples().x))


def test_an_owners_schedule_gets_the_share_of_the_federation_that_is_over() -> None:
    seen: list[float] = []
    learner = owned(optimizer=adamw, schedule=lambda progress: seen.append(progress) or 0.0)
    before = learner.parameters()
    for _ in range(2):
        learner.fit(examples(16), FIT)  # four steps per round, of four rounds
    assert seen == pytest.approx([(step + 0.5) / 16 for step in range(8)])
    assert np.array_equal(learner.parameters()["weight"], before["weight"])


def test_an_owners_augmentation_is_for_private_rows_in_training_alone() -> None:
    seen: list[int] = []

    def augment(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x

    learner = owned(augment=augment)
    learner.fit(examples(16), Fit(epochs=1, batch_size=8))
    learner.distill(examples().x, np.full((40, 2), 0.5, np.float32), Distill())
    learner.predict(examples().x)
    assert seen == [8, 8]


class Reader:
    """Rows that are read in slices, such as those of a file; `most` is the longest slice."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self.rows, self.most = rows, 0
        self.shape, self.dtype = rows.shape, rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, wanted: slice) -> NDArray[Any]:
        found = self.rows[wanted]
        self.most = max(self.most, len(found))
        return found


def test_rows_that_are_no_array_are_read_a_batch_at_a_time_and_give_the_same_model() -> None:
    arrays, files = owned(), owned()
    x, y = Reader(examples().x), Reader(examples().y)
    labels = np.random.default_rng(1).dirichlet([1, 1], 40).astype(np.float32)
    for learner, a, b, soft in ((arrays, examples().x, examples().y, labels), (files, x, y, Reader(labels))):
        learner.fit(Examples(a, b), FIT)
        learner.distill(RowView(a, np.arange(40)), soft, Distill(epochs=1))
        learner.distill(a, soft, Distill(epochs=1, shuffle=False, batch_size=7))
    assert files.scores(examples().x) == pytest.approx(arrays.scores(examples().x), abs=1e-6)
    assert x.most < 40


class Tokens(nn.Module):
    """Takes integers and answers as transformers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        assert x.dtype is torch.int64
        return SimpleNamespace(logits=self.head(self.table(x).mean(dim=1)))


def test_integers_stay_integers_and_an_answer_with_logits_does() -> None:
    spec = SPEC.model_copy(update={"sample_dtype": "<i4"})
    learner = TorchLearner(Tokens, spec, 1, CPU)
    x = np.random.default_rng(0).integers(0, 9, (60, 3)).astype(np.int32)
    rows = Examples(x, (x.sum(axis=1) > 12).astype(np.int64))
    for _ in range(10):
        learner.fit(rows, FIT)
    assert evaluate(learner, rows, spec.output)["accuracy"] > 0.9
    assert learner.features(x).shape == (60, 4)
    assert learner.frozen()(torch.from_numpy(x).long()).shape == (60, 2)


def test_labels_of_open_rows_enter_with_their_share() -> None:
    rows, wrong = examples(200), np.eye(2, dtype=np.float32)[1 - examples(200).y]
    accuracy = {}
    for alpha in (0.0, 1.0):
        learner = owned()
        learner.distill(rows.x, wrong, Distill(alpha=alpha, epochs=5), rows.y)
        accuracy[alpha] = evaluate(learner, rows, SPEC.output)["accuracy"]
    assert accuracy[0.0] > 0.9
    assert accuracy[1.0] < 0.1


def test_regression_and_labels_are_learned_too() -> None:
    x = examples(200).x
    for task, width, y in (("regression", 1, x[:, :1] * 2 + 1), ("multilabel", 2, (x[:, :2] > 0).astype(np.float32))):
        spec = SPEC.model_copy(update={"output": Output(task=task, width=width)})
        learner = TorchLearner(lambda width=width: nn.Linear(3, width), spec, 1, CPU)
        for _ in range(5):
            learner.fit(Examples(x, y), FIT)
        copy = TorchLearner(lambda width=width: nn.Linear(3, width), spec, 2, CPU)
        for _ in range(5):
            copy.distill(x, learner.predict(x), Distill(epochs=2))
        for each in (learner, copy):
            found = evaluate(each, Examples(x, y), spec.output)
            assert found["r2" if task == "regression" else "f1"] > 0.9


def test_balanced_weights_lift_the_rare_class() -> None:
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    y = (x[:, 0] + np.random.default_rng(1).normal(size=300) > 2).astype(np.int64)
    recall = {}
    for weights in ("none", "balanced"):
        learner = owned()
        for _ in range(5):
            learner.fit(Examples(x, y), Fit(epochs=2, batch_size=8, class_weights=weights))
        recall[weights] = (learner.predict(x).argmax(axis=1) == 1)[y == 1].mean()
    assert recall["balanced"] > recall["none"] + 0.2


def test_a_methods_loss_sees_the_batch_and_the_one_beside_it() -> None:
    first, second = owned(), TorchLearner(lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), SPEC, 2, CPU)
    steps: list[Step] = []
    before = second.parameters()

    def loss(step: Step) -> torch.Tensor:
        steps.append(step)
        return step.loss + step.beside[0].loss

    first.fit(examples(16), Fit(epochs=1, batch_size=8), loss, [second])
    assert len(steps) == 2
    (other,) = steps[0].beside
    assert torch.equal(steps[0].inputs, other.inputs)
    assert steps[0].features is not None
    assert torch.equal(steps[0].features, steps[0].inputs)
    assert other.features is not None
    assert other.features.shape == (8, 4)
    assert not np.array_equal(second.parameters()["0.weight"], before["0.weight"])


def test_the_head_is_read_and_set_alone() -> None:
    model = TorchLearner(lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), SPEC, 2, CPU)
    assert {name: value.shape for name, value in model.head().items()} == {"weight": (2, 4), "bias": (2,)}
    body = model.parameters()["0.weight"]
    model.load_head({"weight": np.ones((2, 4), np.float32), "bias": np.zeros(2, np.float32)})
    assert model.parameters()["1.weight"].tolist() == [[1] * 4] * 2
    assert np.array_equal(model.parameters()["0.weight"], body)


@pytest.mark.parametrize("need", list(Capability))
def test_a_capability_that_is_missing_is_named(need: Capability) -> None:
    class Rules:
        def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
            return np.full((len(x), 2), 0.5, np.float32)

    check_capabilities(owned(), frozenset({need}), "fml")
    check_capabilities(Rules(), frozenset(), "dsfl")

    with pytest.raises(UserCodeError, match=f"method fml needs {need} of every learner, which Rules does not offer"):
        check_capabilities(Rules(), frozenset({need}), "fml")
