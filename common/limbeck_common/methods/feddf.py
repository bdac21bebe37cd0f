"""FedDF: ensemble distillation for robust model fusion.

T. Lin, L. Kong, S. U. Stich, M. Jaggi, "Ensemble Distillation for Robust Model Fusion in Federated Learning", NeurIPS
2020 (arXiv 2006.07242), Algorithms 1 and 3. Clients send weights. The server averages those of each architecture by
n_k, and from there distills each average, on unlabelled rows d, from all the models together, whatever they are:
x <- x - eta * d/dx KL(softmax(1/|S| * sum of f(x_k, d)), softmax(f(x, d))).

Departures: distillation runs for the recipe's epochs over all open rows, with its optimizer; the paper's stops early on
a validation set, under a cosine schedule. An architecture without an uplink in a round is distilled on from its last
average. The first round sends nothing down, as in FedAvg; a newcomer of another architecture than the server's
has no average of its own yet, and has the weight of one row in its first round.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limbeck_common.core.blocks import Block, Parts, Rows, Shapes, class_scores, parameters
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, Aggregate, architecture
from limbeck_common.core.softmax import softmax
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.server_round import Refinement, ServerRound

_IN_STEP = "in step"


class FedDF(FedAvg):
    """FedAvg's averages, one per architecture, distilled on the server from the clients' models."""

    needs_open: ClassVar[bool] = True
    models: Annotated[tuple[str, ...], Field(description="Models of clients, besides the server's own.")] = ()

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name its own model, first, and those of the options."""
        return {model: model for model in (server_model, *self.models)}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average the weights of each architecture by n_k. Newcomers get those of the server's own."""
        blocks: dict[str, Parts] = {}
        for place, name in enumerate(server.architectures):
            tally = server.models("model").get(name)
            audience = architecture(name) if place else ALL
            known = server.aggregate(server.number - 1, audience)
            if tally is not None:
                known = {"model": parameters(tally.means())}
            if known is not None:
                blocks[audience] = known
        return Aggregate(blocks)

    def server_refine(self, server: Refinement) -> Aggregate | Parts:
        """Server: distill each average from the ensemble, on the open rows. One client's model in memory at a time."""
        participant = server.participant
        students = {audience: participant.fresh(_model(audience)) for audience in server.aggregate.blocks}
        blocks = (parts["model"] for parts in server.uplinks())
        labels = ensemble(model_scores(students, blocks, participant.open_rows), server.spec.output.width)
        for audience, parts in server.aggregate.blocks.items():
            students[audience].load_parameters(parts["model"].parameters)
            students[audience].distill_on(participant.open_rows, labels)
        return Aggregate(
            {audience: {"model": parameters(student.parameters())} for audience, student in students.items()}
        )

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: take the weights.

        A newcomer, whose architecture the server does not know yet, gets those of the server's model, and
        ignores them if its own architecture differs.
        """
        block = client.aggregate["model"]
        if shapes(parameters(client.participant.parameters())) == shapes(block):
            client.participant.load_parameters(block.parameters)
            client.memory[_IN_STEP] = np.ones(1, np.uint8)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: as in FedAvg, but with the least weight if it starts from first weights that others have left."""
        parts = super().client_update(client)
        if client.number == 1 or _IN_STEP in client.memory:
            return parts
        return {"model": replace(parts["model"], weight=1)}


def _model(audience: str) -> str:
    """Return the model of an audience, "" for the server's own."""
    return audience.removeprefix(architecture("")) if audience != ALL else ""


def shapes(block: Block) -> Shapes:
    """Return the shapes of a block of parameters, by name."""
    return {name: value.shape for name, value in block.parameters.items()}


def model_scores(
    models: dict[str, Participant], uplinks: Iterable[Block], x: NDArray[np.generic]
) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of each uplink's model on rows, shape [rows, classes], run in the model of that form."""
    known = {name: shapes(parameters(model.parameters())) for name, model in models.items()}
    for block in uplinks:
        found = shapes(block)
        model = next(models[name] for name, each in known.items() if each == found)
        model.load_parameters(block.parameters)
        yield model.scores_on(x)


def ensemble(scores: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.float32]:
    """Return the ensemble's labels, the softmax of the models' mean logits, each of shape [rows, classes].

    Logits beyond the range of an exact sum are clipped to it, and NaN becomes 0: a hostile client's weights must not
    stop the federation.
    """
    tally: Tally | None = None
    most = Kind.LOGITS.high
    for each in scores:
        rows = Rows(np.arange(len(each)))
        tally = tally or Tally(rows.indices, (classes,), Kind.LOGITS)
        within = np.clip(np.nan_to_num(each, posinf=most, neginf=-most), -most, most)
        tally.add(class_scores(rows, within))
    if tally is None:
        raise ValueError("an ensemble needs at least one model")
    return softmax(np.concatenate(list(tally.means()))).astype(np.float32)
