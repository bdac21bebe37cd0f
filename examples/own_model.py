"""A network and rows of your own: simulate first, then use the final model.

    python examples/own_model.py

Over a network, the same two functions serve
`limbeck-client join HOST:PORT --name NAME --model own_model:model --data own_model:data`.
"""

import numpy as np
from sklearn.datasets import load_wine
from torch import nn

import limbeck

CLIENTS = 3


def model(classes: int) -> nn.Module:
    """Return any module that gives one score per class."""
    return nn.Sequential(nn.Linear(13, 32), nn.GELU(), nn.Linear(32, classes))


def data(part: int | None, seed: int) -> limbeck.ParticipantData:
    """Return one client's rows; `part` is None for the server, which has no private ones."""
    x, y = load_wine(return_X_y=True)  # read your own files here
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    everything = limbeck.Examples(x[:90], y[:90])
    return limbeck.ParticipantData(
        private=None if part is None else limbeck.split(everything, CLIENTS, part, alpha=1.0, seed=seed),
        open=x[90:140],
        test=limbeck.Examples(x[140:], y[140:]),
    )


if __name__ == "__main__":
    settings = {"output.width": 3, "model.name": "none", "recipe.fit.epochs": 5, "method.options.open_per_round": 50}
    done = limbeck.simulate(model=model, data=data, clients=CLIENTS, rounds=3, alone=True, settings=settings)
    for client in done.results.clients:
        print(f"{client.name}: {client.alone:.3f} alone, {client.federated:.3f} federated")
    trained, test = done.load_model("client-0"), data(None, 0).test
    assert test is not None
    print(f"client-0 predicts {trained.predict(test.x[:5]).argmax(axis=1)}, the classes are {test.y[:5]}")
    print(f"its model is in {done.folder / 'models' / 'client-0'}")
