"""Members and a method that are not what everything was first made for: see e2e/test_any_answer.py."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Parts, Space
from limbeck_common.core.form import Form, Forms, Plan, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound, open_sample
from support import tiny

OUTPUTS = 2  # numbers per row, in regression


class TwoParts(Method):
    """Labels of open rows, and per class the mean of the private rows' squares, counted by the rows of that class."""

    def forms(self, spec: Spec) -> Forms:
        labels = Form.labels(spec.output)
        means = Form(Kind.FEATURES, Space.CLASSES, (2, tiny.FEATURES), partial=True, weights=Weights.KEY)
        return Forms(up={"labels": labels, "means": means}, down={"labels": labels, "means": means})

    def server_plan(self, server: ServerRound) -> Plan:
        return {"labels": open_sample(server.spec, server.number, 20), "means": None}

    def client_receive(self, client: ClientRound) -> None:
        client.memory["means"] = np.asarray(client.aggregate["means"].array[:])
        client.distill(client.aggregate["labels"])

    def client_update(self, client: ClientRound) -> Parts:
        client.fit()
        x, y = client.participant.private.x, client.participant.private.y
        classes, means, counts = class_means(np.stack([x, x**2], axis=1), y)
        return {"labels": client.predict("labels"), "means": client.block("means", means, classes, counts)}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        return {part: server.map_mean(part, lambda mean: mean) for part in ("labels", "means")}


class Rules:
    """Only predicts: the class whose centre is nearest."""

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        centres = np.random.default_rng(0).normal(size=(tiny.CLASSES, tiny.FEATURES)) * 2
        near = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        return np.eye(tiny.CLASSES, dtype=np.float32)[near] * np.float32(0.7) + np.float32(0.1)


def rules() -> Rules:
    return Rules()


def open_alone(seed: int) -> ParticipantData:
    """The open rows, and nothing private."""
    return ParticipantData(open=tiny.data(None, seed).open)


class Line:
    """Linear regression of several numbers by full-batch gradient descent."""

    def __init__(self) -> None:
        self.weights = np.zeros((tiny.FEATURES, OUTPUTS))

    def fit(self, examples: Examples, recipe: Fit) -> None:
        self._descend(examples.x, examples.y, recipe.epochs)

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        self._descend(x, labels, recipe.epochs)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return (x.astype(np.float64) @ self.weights).astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"weights": self.weights}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        self.weights = state["weights"]

    def _descend(self, x: NDArray[Any], y: NDArray[Any], epochs: int) -> None:
        for _ in range(epochs):
            self.weights -= 0.1 * x.T.astype(np.float64) @ (x @ self.weights - y) / len(x)


def line() -> Line:
    return Line()


def boosted(seed: int) -> Any:
    """An estimator as its owner has it."""
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415 - a member that needs it pays for it

    return ExtraTreesRegressor(20, random_state=seed % 2**32)


def numbers(part: int | None, seed: int) -> ParticipantData:
    """Rows whose numbers are a linear function of them."""
    slope = np.random.default_rng(seed).normal(size=(tiny.FEATURES, OUTPUTS))

    def draw(rows: int, number: int) -> Examples:
        random = np.random.default_rng((seed, number))
        x = random.normal(size=(rows, tiny.FEATURES)).astype(np.float32)
        return Examples(x, (x @ slope + random.normal(size=(rows, OUTPUTS)) * 0.1).astype(np.float32))

    private = None if part is None else draw(40, 10 + part)
    return ParticipantData(private=private, open=draw(60, 1).x, test=draw(50, 2))
