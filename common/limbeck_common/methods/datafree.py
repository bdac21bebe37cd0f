"""DENSE: distillation without any open data, on inputs that a generator makes.

J. Zhang, C. Chen, B. Li, L. Lyu, S. Wu, S. Ding, C. Shen, C. Wu, "DENSE: Data-Free One-Shot Federated Learning",
NeurIPS 2022 (arXiv 2112.12371), Algorithm 1. The ensemble is D(x) = 1/m * sum of f_k(x). Each epoch trains the
generator G for some steps on L_CE + lambda * L_div, with L_CE = CE(D(G(z)), y) and L_div = -mean of
omega * KL(D(G(z)), f_S(G(z))), where omega is 1 where ensemble and student decide differently, else 0; then the
student f_S is distilled on G's inputs towards D. Chosen over FedGen (Zhu et al. 2021, arXiv 2105.10056), which needs
the clients' label counts, a split of every model at a common inner layer, and a generator on each client: DENSE needs
only the weights.

Departures: it runs every round, and the student starts from the average by n_k. G gets the class beside the noise, and
starts afresh each round, not each epoch. The student learns from fresh inputs, not from all inputs made so far, and
nothing is augmented. L_BN is left out: most built-in models have no running averages to match. If there are more than
`teachers` models, that many are drawn, so that memory does not grow with the number of clients.
"""

from collections.abc import Callable, Iterator
from itertools import compress
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from limbeck_common.core.blocks import Parts, parameters
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, Aggregate
from limbeck_common.core.seeds import Sample, derive
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.server_round import Refinement

Model = Callable[[Any], Any]  # from inputs to logits, [rows, classes]


class DataFree(FedAvg):
    """FedAvg's average, distilled on the server from the clients' models, on inputs that a generator makes."""

    epochs: Annotated[PositiveInt, Field(description="Alternations of generator and student per round.")] = 10
    steps: Annotated[PositiveInt, Field(description="Optimizer steps of the generator per epoch.")] = 20
    rows: Annotated[PositiveInt, Field(description="Inputs generated per optimizer step of the generator.")] = 64
    made: Annotated[PositiveInt, Field(description="Inputs that the student learns from per epoch.")] = 500
    rate: Annotated[PositiveFloat, Field(description="Learning rate of the generator's Adam.")] = 0.001
    boundary: Annotated[NonNegativeFloat, Field(description="Weight of the divergence term L_div (lambda).")] = 0.5
    teachers: Annotated[PositiveInt, Field(description="Largest number of models in the ensemble.")] = 32

    def server_refine(self, server: Refinement) -> Aggregate | Parts:
        """Server: distill the average from the ensemble, on generated inputs."""
        from limbeck_common.learning.networks.generator import Generator, seeded  # noqa: PLC0415 - imports torch

        spec, number, student = server.spec, server.number, server.participant.fresh()
        models = []
        for parts in drawn(server.uplinks, self.teachers, derive(spec.seed, "ensemble", number)):
            student.load_parameters(parts["model"].parameters)
            models.append(student.weights.frozen())
        student.load_parameters(server.aggregate.blocks[ALL]["model"].parameters)
        with seeded(derive(spec.seed, "generator", number), spec.recipe.threads):
            generator = Generator(spec)
            for _ in range(self.epochs):
                generator.improve(
                    generator_loss(models, student.weights.frozen(), self.boundary), self.steps, self.rows, self.rate
                )
                inputs = generator.draw(self.made)[0].detach()
                labels = mean_logits(models, inputs).softmax(dim=1)
                student.distill_on(inputs.numpy(), labels.numpy())
        return {"model": parameters(student.parameters())}


def drawn(uplinks: Callable[[], Iterator[Parts]], most: int, seed: int) -> Iterator[Parts]:
    """Yield the uplinks, or `most` of them, drawn uniformly, if there are more."""
    count = sum(1 for _ in uplinks())
    taken = np.zeros(count, np.bool_)
    taken[Sample(seed, min(most, count), count).draw()] = True
    return compress(uplinks(), taken.tolist())


def mean_logits(models: list[Model], inputs: Any) -> Any:
    """Return D(x), the models' mean logits, [rows, classes]; they are clipped, so that no model outweighs the rest."""
    most = Kind.LOGITS.high
    return sum(model(inputs).nan_to_num().clamp(-most, most) for model in models) / len(models)


def generator_loss(models: list[Model], student: Model, boundary: float) -> Callable[[Any, Any], Any]:
    """Return L_CE + lambda * L_div, as a function of inputs and the classes that they should be of."""

    def loss(inputs: Any, classes: Any) -> Any:
        ensemble = mean_logits(models, inputs).log_softmax(dim=1)
        found = student(inputs).log_softmax(dim=1)
        entropy = -ensemble.gather(1, classes[:, None]).mean()
        differ = ensemble.argmax(dim=1) != found.argmax(dim=1)
        divergence = (ensemble.exp() * (ensemble - found)).sum(dim=1)
        return entropy - boundary * (differ * divergence).mean()

    return loss
