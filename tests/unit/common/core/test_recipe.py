"""The recipe: the course of a learning rate, and a server's section that says only what differs."""

import pytest
from pydantic import ValidationError

from limbeck_common.core.recipe import Distill, Recipe, Steps


def test_a_constant_rate_stays_what_it_is() -> None:
    assert [Steps(learning_rate=0.1).rate(each) for each in (0.0, 0.3, 1.0)] == [0.1, 0.1, 0.1]


def test_a_cosine_falls_from_the_rate_to_nothing() -> None:
    steps = Steps(learning_rate=0.2, schedule="cosine")
    assert [steps.rate(each) for each in (0.0, 0.5, 1.0)] == pytest.approx([0.2, 0.1, 0.0])
    assert steps.rate(1.5) == pytest.approx(0.0)  # a method may train more often than once per round


def test_a_warm_up_rises_in_a_line_and_meets_the_schedule() -> None:
    steps = Steps(learning_rate=0.2, warmup=0.5)
    assert [steps.rate(each) for each in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.0, 0.1, 0.2, 0.2])


def test_the_servers_section_is_filled_up_from_that_of_distillation() -> None:
    recipe = Recipe.model_validate({"distill": {"epochs": 3, "shuffle": False}, "server": {"optimizer": "adamw"}})
    assert recipe.server == Distill(epochs=3, shuffle=False, optimizer="adamw")
    built = Recipe.model_validate({"distill": Distill(epochs=2), "server": {"clip": 1}})
    assert built.server == Distill(epochs=2, clip=1)
    assert Recipe().server is None
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("bad", [{"epochs": -1}, {"alpha": 1.5}, {"temperature": 0}, {"warmup": 1.0}, {"moment": 1}])
def test_what_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate({"distill": bad})
