"""DENSE's losses against numbers worked out by hand, and what its generator makes."""

from math import log, prod

import numpy as np
import pytest
import torch
from support.method_rounds import to_all
from support.small_models import LINEAR, SPEC, aggregator, linear, participant, values

from limbeck_common.core.blocks import Block
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.learning.networks.generator import Generator, seeded
from limbeck_common.methods.datafree import DataFree, drawn, generator_loss, mean_logits
from limbeck_common.methods.method import to_aggregate
from limbeck_common.methods.server_round import Refinement

SENT = {"a": linear([[3, 0], [0, 0]], rows=9), "b": linear([[0, 0], [0, 3]], rows=1)}
IMAGES = Spec(
    output=Output(width=4),
    sample_shape=(3, 7, 5),
    sample_dtype="|u1",
    open_rows=1,
    input_mean=(0.5,) * 3,
    input_std=(0.25,) * 3,
)


def says(*logits: float) -> torch.Tensor:
    return torch.tensor([logits])


def test_the_generators_loss_is_cross_entropy_less_what_student_and_ensemble_dispute() -> None:
    models = [lambda _: says(2 * log(3), 0.0), lambda _: says(0.0, 0.0)]
    assert mean_logits(models, None)[0].tolist() == pytest.approx([log(3), 0])
    # The ensemble says 3/4 and 1/4 of an input that is to be of the second class: CE = -ln(1/4). A student that says
    # 1/4 and 3/4 decides differently: KL = 3/4 ln 3 + 1/4 ln(1/3) = ln(3) / 2.
    wanted = torch.tensor([1])
    disputed = generator_loss(models, lambda _: says(0.0, log(3)), 0.5)(None, wanted)
    assert disputed.item() == pytest.approx(log(4) - 0.5 * log(3) / 2)
    agreed = generator_loss(models, lambda _: says(5.0, 0.0), 0.5)(None, wanted)
    assert agreed.item() == pytest.approx(log(4))


def test_of_too_many_models_as_many_as_wanted_are_drawn() -> None:
    blocks = [linear([[number, 0], [0, 0]]) for number in range(6)]

    uplinks = [{"model": block} for block in blocks]

    def picked(most: int, seed: int) -> list[Block]:
        return [parts["model"] for parts in drawn(lambda: iter(uplinks), most, seed)]

    assert picked(9, 0) == blocks
    assert len(picked(2, 0)) == 2
    assert picked(2, 0) == picked(2, 0)
    assert len({tuple(map(id, picked(2, seed))) for seed in range(20)}) > 5


def test_made_images_are_such_as_bytes_can_be() -> None:
    with seeded(1, 1):
        inputs, classes = Generator(IMAGES).draw(50)
    assert inputs.shape == (50, 3, 7, 5)
    assert (inputs >= -2).all()  # (0 - 0.5) / 0.25
    assert (inputs <= 2).all()
    assert set(classes.tolist()) == {0, 1, 2, 3}


def test_other_inputs_have_mean_0_and_variance_1() -> None:
    with seeded(1, 1):
        inputs, _ = Generator(SPEC).draw(500)
    assert inputs.shape == (500, 2)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-4)
    assert inputs.std().item() == pytest.approx(1, abs=0.01)


def test_a_generator_learns_what_the_loss_wants_from_its_own_random_state() -> None:
    def brightness(steps: int) -> list[float]:
        with seeded(1, 1):
            generator = Generator(IMAGES)
            generator.improve(lambda inputs, _: -inputs.mean(), steps, 8, 0.01)
            return generator.draw(8)[0].flatten().tolist()

    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = brightness(20)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert brightness(20) == first
    pixels = 8 * prod(IMAGES.sample_shape)
    assert sum(first) / pixels > sum(brightness(0)) / pixels + 0.5


def test_the_mean_is_distilled_towards_the_ensemble_without_a_row_of_data() -> None:
    method = DataFree(epochs=3, steps=5, made=200)
    brought = aggregator(method, SENT, {"linear": LINEAR})
    server = participant()
    server.data = ParticipantData()
    before = values(to_all(brought.aggregate()))

    def server_refine(number: int = 1) -> Block:
        uplinks = [{"model": block} for block in SENT.values()]
        refinement = Refinement(server, number, brought.aggregate(), lambda: iter(uplinks))
        return to_all(to_aggregate(method.server_refine(refinement)))

    refined = server_refine()
    assert values(server_refine()) == values(refined)
    assert values(server_refine(2)) != values(refined)  # other noise in another round

    # Each model counts once in the ensemble, and by its rows in the mean: the ensemble has 1.5 where the mean has 2.7
    # and 0.3. A softmax sees only differences of classes: 1.5 x_1 - 1.5 x_2.
    def apart(weight: object) -> float:
        rows = np.array(weight)
        return float(np.abs(rows[0] - rows[1] - [1.5, -1.5]).sum())

    assert apart(values(refined)["weight"]) < 0.5 * apart(before["weight"])
