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

from limbeck_common.core.exact_sums import LIMIT, Tally
from limbeck_common.core.messages import Aggregate, Block, Kind, Rows, Space, parameters
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import ServerRound, Uplinks

_IN_STEP = "in step"


class FedDF(FedAvg):
    """FedAvg's averages, one per architecture, distilled on the server from the clients' models."""

    refines: ClassVar[bool] = True
    needs_open: ClassVar[bool] = True
    models: Annotated[tuple[str, ...], Field(description="Models of clients, besides the server's own.")] = ()

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name its own model, and those of the options."""
        return {"": server_model} | {model: model for model in self.models if model != server_model}

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: average the weights of each architecture by n_k."""
        blocks = {}
        for group in server.context.models:
            tally = server.models.get(group)
            known = server.context.aggregate(server.number - 1, group) if tally is None else parameters(tally.means())
            if known is not None:
                blocks[group] = known
        return Aggregate(blocks)

    def server_refine(self, participant: Participant, uplinks: Uplinks, aggregate: Aggregate, number: int) -> Aggregate:
        """Server: distill each average from the ensemble, on the open rows. One client's model in memory at a time."""
        students = {group: participant.fresh(group) for group in aggregate.blocks}
        rows = Rows(np.arange(len(participant.open_rows)))
        labels = ensemble(model_scores(students, uplinks(), rows), participant.spec.output.width)
        for group, block in aggregate.blocks.items():
            students[group].load_parameters(block.parameters)
            students[group].distill_on(participant.open_rows, labels)
        return Aggregate({group: parameters(student.parameters()) for group, student in students.items()})

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server: take the weights.

        A newcomer, whose architecture the server does not know yet, gets those of the server's model, and
        ignores them if its own architecture differs.
        """
        if form(parameters(participant.parameters())) == form(aggregate):
            participant.load_parameters(aggregate.parameters)
            participant.memory[_IN_STEP] = np.ones(1, np.uint8)

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: as in FedAvg, but with the least weight if it starts from first weights that others have left."""
        block = super().client_update(participant, wanted, number)
        return block if number == 1 or _IN_STEP in participant.memory else replace(block, weight=1)


def form(block: Block) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a block of parameters, by name."""
    return {name: value.shape for name, value in block.parameters.items()}


def model_scores(models: dict[str, Participant], uplinks: Iterable[Block], rows: Rows) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of each uplink's model on open rows, shape [rows, classes], run in the model of that form."""
    forms = {group: form(parameters(model.parameters())) for group, model in models.items()}
    for block in uplinks:
        found = form(block)
        model = next(models[group] for group, shapes in forms.items() if shapes == found)
        model.load_parameters(block.parameters)
        yield model.scores(rows)


def ensemble(scores: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.float32]:
    """Return the ensemble's labels, the softmax of the models' mean logits, each of shape [rows, classes].

    Logits beyond the range of an exact sum are clipped to it, and NaN becomes 0: a hostile client's weights must not
    stop the federation.
    """
    tally: Tally | None = None
    most = LIMIT[Kind.LOGITS]
    for each in scores:
        rows = Rows(np.arange(len(each)))
        tally = tally or Tally(rows.indices, classes, Kind.LOGITS)
        within = np.clip(np.nan_to_num(each, posinf=most, neginf=-most), -most, most)
        tally.add(Block(Space.OPEN, rows, Kind.LOGITS, (within,)))
    if tally is None:
        raise ValueError("an ensemble needs at least one model")
    return softmax(np.concatenate(list(tally.means()))).astype(np.float32)
