"""A participant keeps its learners and its memory across a restart, whatever a method has made of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.learner import Learner, LearnerState
from limbeck_common.learning.participant import Participant
from limbeck_common.runtime.make_learner import make_learner

SPEC = Spec(
    output=Output(width=3),
    sample_shape=(1, 4, 4),
    sample_dtype="<f4",
    open_rows=20,
    method=MethodSpec(name="feddf"),
    recipe=Recipe(fit=Fit(epochs=1, batch_size=8), distill=Distill(epochs=1, batch_size=8)),
)
RANDOM = np.random.default_rng(0)
EXAMPLES = Examples(RANDOM.normal(size=(30, 1, 4, 4)).astype(np.float32), RANDOM.integers(3, size=30))
DATA = ParticipantData(EXAMPLES, RANDOM.normal(size=(20, 1, 4, 4)).astype(np.float32), EXAMPLES)


def participant(model: str = "mlp", seed: int = 1) -> Participant:
    build: Callable[[str], Learner] = lambda name: make_learner(name, SPEC, seed + 100, "cpu")  # noqa: E731
    return Participant(SPEC, make_learner(model, SPEC, seed, "cpu"), DATA, build)


def work(it: Participant) -> None:
    """Train the participant's learner and two others."""
    it.fit()
    student = it.other("student", "mlp")
    student.fit()
    it.other("critic", "mlp").distill_on(it.open_rows, student.predict_on(it.open_rows))
    it.memory["seen"] = it.memory.get("seen", np.zeros(1)) + 1
    student.memory["a.dotted.name"] = np.arange(3)


def same(one: LearnerState, other: LearnerState) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("look", [False, True], ids=["others unbuilt", "others built"])
def test_a_restart_goes_on_with_the_same_bits_others_and_memory_too(*, look: bool) -> None:
    original, restored = participant(), participant(seed=7)
    work(original)
    restored.load_state({name: value.copy() for name, value in original.state().items()})
    if look:
        restored.other("student", "mlp")
    assert same(restored.state(), original.state())
    assert restored.memory["seen"].tolist() == [1]
    work(original)
    work(restored)
    assert same(restored.state(), original.state())
    assert restored.other("student", "mlp").memory["a.dotted.name"].tolist() == [0, 1, 2]


def test_the_same_name_is_the_same_other_and_another_name_another() -> None:
    it = participant()
    assert it.other("student", "mlp") is it.other("student", "mlp")
    assert it.other("student", "mlp") is not it.other("teacher", "mlp")


def test_each_learner_is_measured_under_its_name() -> None:
    it = participant()
    work(it)
    assert set(it.measure()) == {
        f"{prefix}{metric}"
        for prefix in ("", "student_", "critic_")
        for metric in ("accuracy", "balanced_accuracy", "loss")
    }


def test_a_restart_brings_back_every_learner_with_its_model() -> None:
    original, restored = participant(), participant(seed=7)
    work(original)
    restored.load_state(original.state())
    assert {name: other.model for name, other in restored.others.items()} == {"student": "mlp", "critic": "mlp"}
    assert same(restored.state(), original.state())


def test_parameters_of_another_model_are_refused_in_one_line() -> None:
    with pytest.raises(UserCodeError, match=r"6 parameter arrays .* has 4 of .*method feddf exchanges; join with that"):
        participant().load_parameters({f"layer{number}.weight": np.zeros(3, np.float32) for number in range(6)})


def test_a_learner_that_refits_has_its_private_rows_again_after_a_restart() -> None:
    original, restored = participant("forest"), participant("forest")
    original.fit()
    labels = original.predict_on(original.open_rows)
    original.distill_on(original.open_rows, labels)
    restored.load_state(original.state())
    for each in (original, restored):  # as in the closing round: an aggregate, and no training after it
        each.distill_on(each.open_rows, labels[::-1])
    assert restored.measure() == original.measure()


def test_a_participant_that_cannot_build_says_so() -> None:
    alone = Participant(SPEC, make_learner("mlp", SPEC, 1, "cpu"), DATA)
    with pytest.raises(UserCodeError, match="this participant cannot build a cnn"):
        alone.other("student", "cnn")


def test_a_learner_without_weights_gives_scores_but_no_parameters() -> None:
    forest = participant("forest")
    forest.fit()
    rows = forest.open_rows[[0, 4]]
    probabilities = forest.predict_on(rows)
    assert np.exp(forest.scores_on(rows)) == pytest.approx(np.maximum(probabilities, 1e-7))
    for ask in (forest.parameters, lambda: forest.load_parameters({})):
        with pytest.raises(UserCodeError, match="method feddf exchanges weights, which this learner does not offer"):
            ask()


def test_a_torch_models_scores_are_its_logits() -> None:
    it = participant()
    rows = it.open_rows[:5]
    powers = np.exp(it.scores_on(rows))
    assert powers / powers.sum(axis=1, keepdims=True) == pytest.approx(it.predict_on(rows), abs=1e-6)


def test_a_participant_is_measured_on_rows_as_its_own_too() -> None:
    it = participant()
    it.data = replace(it.data, local_test=it.data.test)
    metrics = it.measure()
    assert metrics["local_accuracy"] == metrics["accuracy"]
    assert metrics["local_loss"] == metrics["loss"]


def test_a_methods_loss_is_never_left_out_in_silence() -> None:
    it = participant("forest")
    with pytest.raises(UserCodeError, match="needs a torch model"):
        it.fit(lambda step: step.loss)
