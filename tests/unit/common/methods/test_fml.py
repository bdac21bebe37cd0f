"""FML: two models in step, of which the small one travels."""

from math import log

import numpy as np
import pytest
import torch
from support.method_rounds import update
from support.small_models import LINEAR, SPEC, aggregator, linear, participant, values

from limbeck_common.core.messages import ALL
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.torch_learner import Step
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.fml import FML, MEME, mutual

METHOD = FML(meme="linear")


def step(probabilities: list[float], loss: float, beside: tuple[Step, ...] = ()) -> Step:
    scores = torch.log(torch.tensor([probabilities])).requires_grad_()
    return Step(torch.nn.Identity(), scores, torch.tensor([0]), scores, None, torch.tensor(loss), beside)


def test_each_model_learns_the_labels_and_the_other_models_answers() -> None:
    meme = step([0.5, 0.5], 3.0)
    own = step([0.8, 0.2], 2.0, (meme,))
    from_meme = 0.5 * log(0.5 / 0.8) + 0.5 * log(0.5 / 0.2)
    from_own = 0.8 * log(0.8 / 0.5) + 0.2 * log(0.2 / 0.5)
    loss = mutual(0.75, 0.5)(own)
    assert loss.item() == pytest.approx(0.75 * 2 + 0.25 * from_meme + 0.5 * 3 + 0.5 * from_own)
    own_gradient, meme_gradient = torch.autograd.grad(loss, (own.scores, meme.scores))
    # Of KL(p | softmax(z)) by z: softmax(z) - p. Nothing passes through the other model.
    assert own_gradient.tolist() == [[pytest.approx(0.25 * 0.3), pytest.approx(-0.25 * 0.3)]]
    assert meme_gradient.tolist() == [[pytest.approx(-0.5 * 0.3), pytest.approx(0.5 * 0.3)]]


def test_a_client_sends_its_meme_with_its_number_of_rows_and_keeps_its_own_model() -> None:
    client = participant("wide", private=12)
    before = client.parameters()
    sent = update(METHOD, client)
    assert sent.weight == 12
    assert {name: value.shape for name, value in sent.parameters.items()} == LINEAR
    assert np.array_equal(sent.parameters["weight"], client.other(MEME, "linear").parameters()["weight"])
    assert not np.array_equal(client.parameters()["0.weight"], before["0.weight"])


def test_memes_are_averaged_by_rows_and_taken() -> None:
    sent = {"a": linear([[1, 2], [0, 4]], rows=3), "b": linear([[5, -2], [4, 0]], rows=1)}
    parts = aggregator(METHOD, sent, {MEME: LINEAR}).aggregate().blocks[ALL]
    assert values(parts[MEME])["weight"] == [[2, 1], [1, 3]]
    client = participant("wide")
    METHOD.client_receive(ClientRound(client, 2, parts))
    assert client.other(MEME, "linear").parameters()["weight"].tolist() == [[2, 1], [1, 3]]


def test_with_labels_alone_the_own_model_trains_as_without_a_meme() -> None:
    client, alone = participant("wide"), participant("wide")
    update(FML(meme="linear", alpha=1.0, beta=1.0), client)
    alone.fit()
    for name, value in alone.parameters().items():
        assert client.parameters()[name] == pytest.approx(value, abs=1e-6)


def test_the_servers_figures_are_the_memes() -> None:
    client = participant("wide")
    data = ParticipantData(open=client.open_rows, test=client.data.test)
    server = Participant(Spec(**SPEC.model_dump()), client.learner, data, client.build)
    assert METHOD.client_metrics(server) == METHOD._meme(server).measure()  # noqa: SLF001
    assert {"accuracy", "meme_accuracy"} <= set(METHOD.client_metrics(client) | {"meme_accuracy": 0})
