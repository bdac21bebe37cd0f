"""FedDF: ensemble distillation for robust model fusion.

T. Lin, L. Kong, S. U. Stich, M. Jaggi, "Ensemble Distillation for Robust Model Fusion in Federated Learning", NeurIPS
2020 (arXiv 2006.07242), Algorithms 1 and 3. Clients send weights. The server averages those of each architecture by
n_k, and from there distills each average, on unlabelled rows d, from all the models together, whatever they are:
x <- x - eta * d/dx KL(softmax(1/|S| * sum of f(x_k, d)), softmax(f(x, d))).

Departures: distillation runs for the recipe's epochs over all open rows, with its optimizer; the paper's stops early on
a validation set, under a cosine schedule. An architecture that nobody brought in a round is distilled on from what it
was last taught. The first round sends nothing down, as in FedAvg; a newcomer of another architecture than the server's
has none of its averages yet, and weighs one row in its first round.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limbeck_common.core.exact_sums import LIMIT, Tally
from limbeck_common.core.messages import Block, Kind, Rows, Space, Teaching, parameters
from limbeck_common.learning.participant import Party
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import Gathered, Uplinks

_IN_STEP = "in step"


class FedDF(FedAvg):
    """FedAvg's averages, one an architecture, distilled on the server from the clients' models."""

    refines: ClassVar[bool] = True
    needs_open: ClassVar[bool] = True
    models: Annotated[tuple[str, ...], Field(description="clients' models beside the server's own")] = ()

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: its own model, and those named."""
        return {"": server_model} | {model: model for model in self.models if model != server_model}

    def teach(self, gathered: Gathered) -> Teaching:
        """Server: average the weights of each architecture by n_k."""
        blocks = {}
        for group in gathered.ground.models:
            tally = gathered.models.get(group)
            known = gathered.ground.teaching(gathered.number - 1, group) if tally is None else parameters(tally.means())
            if known is not None:
                blocks[group] = known
        return Teaching(blocks)

    def refine(self, party: Party, uplinks: Uplinks, teaching: Teaching, number: int) -> Teaching:  # noqa: ARG002
        """Server: distill each average from the ensemble, on the open rows. One client's model in memory at a time."""
        students = {group: party.fresh(group) for group in teaching.blocks}
        rows = Rows(np.arange(len(party.open_rows)))
        labels = ensemble(model_scores(students, uplinks(), rows), party.spec.classes)
        for group, block in teaching.blocks.items():
            students[group].load_parameters(block.parameters)
            students[group].distill_on(party.open_rows, labels)
        return Teaching({group: parameters(student.parameters()) for group, student in students.items()})

    def learn(self, party: Party, teaching: Block, number: int) -> None:  # noqa: ARG002 - all rounds are alike
        """Client and server: take the weights.

        A newcomer, whose model the server has not seen yet, gets those of the server's: it may have no use for them.
        """
        if form(parameters(party.parameters())) == form(teaching):
            party.load_parameters(teaching.parameters)
            party.notes[_IN_STEP] = np.ones(1, np.uint8)

    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:
        """Client: as in FedAvg, but with the least weight where it starts from first weights that others have left."""
        block = super().contribute(party, wanted, number)
        return block if number == 1 or _IN_STEP in party.notes else replace(block, weight=1)


def form(block: Block) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a block of parameters, by name."""
    return {name: value.shape for name, value in block.parameters.items()}


def model_scores(models: dict[str, Party], uplinks: Iterable[Block], rows: Rows) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of each uplink's model on open rows, shape [rows, classes]. It is run in that of its form."""
    forms = {group: form(parameters(model.parameters())) for group, model in models.items()}
    for block in uplinks:
        found = form(block)
        model = next(models[group] for group, shapes in forms.items() if shapes == found)
        model.load_parameters(block.parameters)
        yield model.scores(rows)


def ensemble(scores: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.float32]:
    """Return the ensemble's labels, the softmax of the models' mean logits, each of shape [rows, classes].

    Logits beyond what an exact sum takes are brought to its limits, and what is no number to 0: a hostile client's
    weights must not stop the federation.
    """
    tally: Tally | None = None
    most = LIMIT[Kind.LOGITS]
    for each in scores:
        rows = Rows(np.arange(len(each)))
        tally = tally or Tally(rows.indices, classes, Kind.LOGITS)
        within = np.clip(np.nan_to_num(each, posinf=most, neginf=-most), -most, most)
        tally.add(Block(Space.OPEN, rows, Kind.LOGITS, (within,)))
    if tally is None:
        raise ValueError("an ensemble of no models")
    return softmax(np.concatenate(list(tally.means()))).astype(np.float32)
