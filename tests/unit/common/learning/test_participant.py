"""A party keeps its learners and its notes across a restart, whatever a method has made of them."""

from collections.abc import Callable

import numpy as np
import pytest

from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import Rows
from limbeck_common.core.spec import MethodSpec, Recipe, Spec
from limbeck_common.datasets.registry import Examples, PartyData
from limbeck_common.learning.learner import Learner, State
from limbeck_common.learning.participant import Party
from limbeck_common.runtime.assemble import make_learner

SPEC = Spec(
    classes=3,
    sample_shape=(1, 4, 4),
    sample_dtype="<f4",
    open_rows=20,
    method=MethodSpec(name="feddf"),
    recipe=Recipe(local_epochs=1, distill_epochs=1, batch_size=8, momentum=0.9),
)
RANDOM = np.random.default_rng(0)
EXAMPLES = Examples(RANDOM.normal(size=(30, 1, 4, 4)).astype(np.float32), RANDOM.integers(3, size=30))
DATA = PartyData(EXAMPLES, RANDOM.normal(size=(20, 1, 4, 4)).astype(np.float32), EXAMPLES)


def party(model: str = "mlp", seed: int = 1) -> Party:
    build: Callable[[str], Learner] = lambda name: make_learner(name, SPEC, seed + 100, "cpu")  # noqa: E731
    return Party(SPEC, make_learner(model, SPEC, seed, "cpu"), DATA, build)


def work(it: Party) -> None:
    """Train the party's learner and two others."""
    it.fit()
    student = it.other("student", "mlp")
    student.fit()
    it.other("critic", "mlp").distill_on(it.open_rows, student.predict(Rows(np.arange(20))))
    it.notes["seen"] = it.notes.get("seen", np.zeros(1)) + 1
    student.notes["a.dotted.name"] = np.arange(3)


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("look", [False, True], ids=["others unbuilt", "others built"])
def test_a_restart_goes_on_with_the_same_bits_others_and_notes_too(*, look: bool) -> None:
    original, restored = party(), party(seed=7)
    work(original)
    restored.load_state({name: value.copy() for name, value in original.state().items()})
    if look:
        restored.other("student", "mlp")
    assert same(restored.state(), original.state())
    assert restored.notes["seen"].tolist() == [1]
    work(original)
    work(restored)
    assert same(restored.state(), original.state())
    assert restored.other("student", "mlp").notes["a.dotted.name"].tolist() == [0, 1, 2]


def test_the_same_name_is_the_same_other_and_another_name_another() -> None:
    it = party()
    assert it.other("student", "mlp") is it.other("student", "mlp")
    assert it.other("student", "mlp") is not it.other("teacher", "mlp")


def test_each_learner_is_measured_and_saved_under_its_name() -> None:
    it = party()
    own = set(it.models())
    work(it)
    assert set(it.measure()) == {
        f"{prefix}{figure}" for prefix in ("", "student_", "critic_") for figure in ("accuracy", "loss")
    }
    assert set(it.models()) >= own | {f"student.{name}" for name in own}


def test_a_learner_that_was_not_looked_at_since_a_restart_is_saved_too() -> None:
    original, restored = party(), party(seed=7)
    work(original)
    restored.load_state(original.state())
    assert same(restored.models(), original.models())


def test_parameters_of_another_model_are_refused_in_one_line() -> None:
    with pytest.raises(UserCodeError, match=r"6 parameter arrays .* has 4 of .*method feddf exchanges; join with that"):
        party().load_parameters({f"layer{number}.weight": np.zeros(3, np.float32) for number in range(6)})


def test_a_learner_that_refits_has_its_private_rows_again_after_a_restart() -> None:
    original, restored = party("forest"), party("forest")
    original.fit()
    labels = original.predict(Rows(np.arange(20)))
    original.distill_on(original.open_rows, labels)
    restored.load_state(original.state())
    for each in (original, restored):  # as in the closing round: a teaching, and no training after it
        each.distill_on(each.open_rows, labels[::-1])
    assert restored.measure() == original.measure()


def test_a_party_that_cannot_build_says_so() -> None:
    alone = Party(SPEC, make_learner("mlp", SPEC, 1, "cpu"), DATA)
    with pytest.raises(UserCodeError, match="this party cannot build a cnn"):
        alone.other("student", "cnn")


def test_a_learner_without_weights_gives_scores_but_no_parameters() -> None:
    forest = party("forest")
    forest.fit()
    rows = Rows(np.array([0, 4]))
    chances = forest.predict(rows)
    assert np.exp(forest.scores(rows)) == pytest.approx(np.maximum(chances, 1e-7))
    for ask in (forest.parameters, lambda: forest.load_parameters({})):
        with pytest.raises(UserCodeError, match="method feddf exchanges weights, and this learner has none to show"):
            ask()


def test_a_torch_models_scores_are_its_logits() -> None:
    it = party()
    rows = Rows(np.arange(5))
    powers = np.exp(it.scores(rows))
    assert powers / powers.sum(axis=1, keepdims=True) == pytest.approx(it.predict(rows), abs=1e-6)
