"""Learners: the same seed gives the same bits, nothing disturbs them, and they go on where they stopped."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.naive_bayes import GaussianNB
from support.method_rounds import update
from torch import nn

from limbeck_common.core.blocks import Rows
from limbeck_common.core.errors import OutputError, SettingsError, UserCodeError
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.forest import forest
from limbeck_common.learning.learner import Learner, LearnerState
from limbeck_common.learning.metrics import evaluate
from limbeck_common.learning.networks.models import build_model
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.sklearn_learner import SklearnLearner
from limbeck_common.learning.torch_learner import TorchLearner
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.runtime.make_learner import make_learner

CLASSES = 3


def recipe_of(**steps: Any) -> Recipe:
    """Return a recipe of one epoch for training and distillation."""
    taken = {"epochs": 1, "batch_size": 8, **steps}
    return Recipe(fit=Fit(**taken), distill=Distill(**taken))


SHAPE = (1, 4, 4)
RECIPES = {
    "sgd": recipe_of(momentum=0.0),
    "momentum": recipe_of(learning_rate=0.05),
    "adam": recipe_of(optimizer="adam", learning_rate=0.01),
    "adamw": recipe_of(optimizer="adamw", weight_decay=0.1, schedule="cosine", warmup=0.2, clip=1.0),
    "fresh": recipe_of(fresh=True),
}
SPEC = Spec(
    output=Output(width=CLASSES), sample_shape=SHAPE, sample_dtype="|u1", open_rows=20, recipe=RECIPES["momentum"]
)


def examples(rows: int = 33, seed: int = 0) -> Examples:
    """Images with a bright stripe, whose row is the class."""
    random = np.random.default_rng(seed)
    y = random.integers(0, CLASSES, rows)
    x = random.integers(0, 100, (rows, *SHAPE)).astype(np.uint8)
    x[np.arange(rows), 0, y] += 150
    return Examples(x, y)


def soft(rows: int = 20) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    shown = examples(rows, 1)
    return shown.x, np.eye(CLASSES, dtype=np.float32)[shown.y] * 0.7 + np.float32(0.1)


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, CLASSES))


def learner(seed: int = 1, make: Callable[[], nn.Module] = with_dropout) -> TorchLearner:
    return TorchLearner(make, SPEC, seed, torch.device("cpu"))


def work(it: Learner, recipe: Recipe = SPEC.recipe) -> Iterator[NDArray[np.float32]]:
    """Two rounds of training and distilling, a step at a time."""
    for _ in range(2):
        it.fit(examples(), recipe.fit)
        yield it.predict(soft()[0])
        it.distill(*soft(), recipe.distill)
        yield it.predict(soft()[0])


def same(one: LearnerState, other: LearnerState) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    once, again, other = learner(1), learner(1), learner(2)
    assert np.array_equal(list(work(once)), list(work(again)))
    assert same(once.state(), again.state())
    assert not np.array_equal(list(work(learner(1))), list(work(other)))


def test_two_learners_by_turns_come_out_as_each_alone() -> None:
    alone = [np.array(list(work(learner(seed)))) for seed in (1, 2)]
    by_turns = list(zip(work(learner(1)), work(learner(2)), strict=True))
    assert np.array_equal(alone, np.swapaxes(by_turns, 0, 1))


def test_torchs_own_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = list(work(learner()))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert np.array_equal(list(work(learner())), first)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_learner_goes_on_from_its_state_with_the_same_bits(recipe: Recipe, steps: int) -> None:
    original, restored = learner(1), learner(9)
    working = work(original, recipe)
    for _ in range(steps):
        next(working)
    kept = original.state()
    rest = list(working)
    restored.load_state(kept)
    assert same(restored.state(), kept)
    again = work(restored, recipe)
    if steps % 2:  # it stopped between training and distilling
        restored.distill(*soft(), recipe.distill)
        assert np.array_equal(restored.predict(soft()[0]), rest.pop(0))
        steps += 1
    assert np.array_equal(list(again)[: 4 - steps], rest)


def test_a_state_does_not_change_when_the_learner_goes_on() -> None:
    it = learner()
    it.fit(examples(), SPEC.recipe.fit)
    kept = it.state()
    copied = {name: value.copy() for name, value in kept.items()}
    list(work(it))
    assert same(kept, copied)
    assert not same(it.state(), copied)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))


@pytest.mark.parametrize("recipe", [RECIPES["momentum"], RECIPES["adam"]], ids=["momentum", "adam"])
def test_an_optimizer_keeps_its_state_from_call_to_call(recipe: Recipe) -> None:
    def train(calls: int, *, forget: bool) -> LearnerState:
        it = learner(make=linear)
        for _ in range(calls):
            if forget:
                it.load_state({name: value for name, value in it.state().items() if not name.startswith("fit.")})
            it.fit(examples(), recipe.fit)
        return it.state()

    assert any(name.startswith("fit.") for name in train(1, forget=False))
    assert same(train(1, forget=True), train(1, forget=False))
    assert not np.array_equal(train(2, forget=True)["model.1.weight"], train(2, forget=False)["model.1.weight"])


def test_it_learns_and_learns_from_soft_labels_alone() -> None:
    recipe = recipe_of(epochs=20, learning_rate=0.05, momentum=0.0)
    for use in ("fit", "distill"):
        it = make_learner("mlp", SPEC, 1, "cpu")
        before = evaluate(it, examples(200, 5), SPEC.output)
        if use == "fit":
            it.fit(examples(), recipe.fit)
        else:
            it.distill(*soft(60), recipe.distill)
        after = evaluate(it, examples(200, 5), SPEC.output)
        assert after["accuracy"] > 0.8 > before["accuracy"]
        assert after["loss"] < before["loss"]


@pytest.mark.parametrize("rows", [9, 17])
def test_a_last_batch_of_one_row_is_no_trouble_for_batch_normalisation(rows: int) -> None:
    it = learner()
    it.fit(examples(rows), SPEC.recipe.fit)
    it.distill(*soft(rows), SPEC.recipe.distill)
    assert np.all(np.isfinite(it.predict(examples(rows).x)))


def test_arrays_of_any_layout_and_type_of_label_do() -> None:
    good = examples()
    frozen, backwards = good.x.copy(), good.y[::-1].astype(np.uint8)[::-1]
    frozen.flags.writeable = False
    reference, other = learner(), learner()
    reference.fit(good, SPEC.recipe.fit)
    with warnings.catch_warnings(action="error"):  # torch warns of arrays that cannot be written
        other.fit(Examples(frozen, cast("NDArray[np.int64]", backwards)), SPEC.recipe.fit)
        assert np.array_equal(other.predict(frozen), reference.predict(good.x))
    assert np.array_equal(other.predict(good.x[::-1]), reference.predict(good.x[::-1].copy()))


def test_training_draws_on_and_prediction_changes_nothing() -> None:
    it = learner()
    states = [it.state()["random"].tobytes()]
    for _ in range(2):
        it.fit(examples(), SPEC.recipe.fit)
        states.append(it.state()["random"].tobytes())
    assert len(set(states)) == 3
    before, x = it.state(), soft()[0]
    alone = np.concatenate([it.predict(x[row : row + 1]) for row in range(len(x))])
    assert it.predict(x) == pytest.approx(alone, abs=1e-6)  # neither dropout nor the batch's own statistics
    assert same(it.state(), before)


@pytest.mark.parametrize("model", ["cnn", "cnn-dsfl", "mlp", "resnet8", "forest"])
def test_built_in_models_predict_distributions(model: str) -> None:
    it = make_learner(model, SPEC, 1, "cpu")
    it.fit(examples(), SPEC.recipe.fit)
    probabilities = it.predict(examples(7).x)
    assert probabilities.shape == (7, CLASSES)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-5)


@pytest.mark.parametrize(("model", "parameters"), [("cnn", 44_426), ("cnn-dsfl", 583_242)])
def test_a_model_for_mnist_has_as_many_parameters_as_its_source_says(model: str, parameters: int) -> None:
    assert sum(each.numel() for each in build_model(model, (1, 28, 28), 10).parameters()) == parameters


@pytest.mark.parametrize(
    ("model", "device", "said"), [("cnnn", "cpu", "unknown model"), ("cnn", "gpu7", "unknown device")]
)
def test_an_unknown_model_or_device_is_named(model: str, device: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        make_learner(model, SPEC, 1, device)


def test_a_classifier_of_scikit_learn_learns_and_distils() -> None:
    it = forest(SPEC.output, 1)
    assert np.array_equal(it.predict(soft()[0]), np.full((20, CLASSES), 1 / CLASSES, np.float32))
    it.distill(*soft(60), SPEC.recipe.distill)
    assert evaluate(it, examples(200, 5), SPEC.output)["accuracy"] > 0.6
    it.fit(examples(), SPEC.recipe.fit)
    assert evaluate(it, examples(200, 5), SPEC.output)["accuracy"] > 0.8
    restored = forest(SPEC.output, 1)
    restored.load_state(it.state())
    restored.fit(examples(), SPEC.recipe.fit)
    assert np.array_equal(restored.predict(soft()[0]), it.predict(soft()[0]))


def test_classes_that_a_client_never_saw_get_no_probability_until_it_distils_them() -> None:
    seen = examples(60)
    some = seen.y < CLASSES - 1
    it = SklearnLearner(GaussianNB(), SPEC.output)
    it.fit(Examples(seen.x[some], seen.y[some]), SPEC.recipe.fit)
    assert np.all(it.predict(seen.x)[:, -1] == 0)
    it.distill(*soft(60), SPEC.recipe.distill)
    assert it.predict(seen.x)[seen.y == CLASSES - 1, -1].mean() > 0.5


def participant(make: Callable[[], nn.Module]) -> Participant:
    return Participant(SPEC, learner(make=make), ParticipantData(examples(), soft()[0]))


def test_a_model_with_the_wrong_number_of_outputs_is_told_the_right_one() -> None:
    wide = participant(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES + 2)))
    with pytest.raises(OutputError, match=r"shape \[2, 5\]; expected \[2, 3\].*give the model 3 outputs"):
        update(DSFL(), wide, Rows(np.array([0, 4])))


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, _x: Any) -> Any:
        raise RuntimeError("mind\n\tthe gap")


@pytest.mark.parametrize("step", ["training", "distillation", "prediction", "evaluation"])
def test_a_model_that_raises_is_reported_in_one_line_that_names_the_step(step: str) -> None:
    broken = participant(Broken)
    broken.data = ParticipantData(examples(), soft()[0], examples())
    steps: dict[str, Callable[[], object]] = {
        "training": broken.fit,
        "distillation": lambda: broken.distill_on(*soft()),
        "prediction": lambda: broken.predict_on(soft()[0]),
        "evaluation": broken.measure,
    }
    with pytest.raises(UserCodeError) as caught:
        steps[step]()
    assert str(caught.value).startswith(f"the learner raised RuntimeError in {step}: mind the gap;")
    assert "\n" not in str(caught.value)


def test_a_frozen_model_stays_as_it_was_and_gradients_pass_to_its_inputs() -> None:
    it = learner()
    frozen = it.frozen()
    x = torch.from_numpy(examples().x[:4].astype(np.float32)).requires_grad_()
    before = frozen(x)
    assert np.allclose(before.detach().numpy(), it.scores(x.detach().numpy()), atol=1e-5)  # dropout is off in both
    it.fit(examples(), SPEC.recipe.fit)
    assert torch.equal(frozen(x), before)
    before.sum().backward()
    assert x.grad is not None
    assert bool(x.grad.any())
