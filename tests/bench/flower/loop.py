"""Flower's old loop: `python loop.py server ADDRESS CLIENTS ROUNDS`, or `python loop.py client ADDRESS`.

The clients answer with 1,000 x 10 numbers and train nothing. The server prints the seconds of each round, as JSON.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from flwr.client import NumPyClient, start_client
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerConfig, start_server
from flwr.server.strategy import FedAvg

LABELS = np.full((1000, 10), 0.1, np.float32)


class Timed(FedAvg):
    """Notes when each round begins and ends."""

    def __init__(self, clients: int) -> None:
        super().__init__(
            fraction_evaluate=0.0,
            min_fit_clients=clients,
            min_available_clients=clients,
            initial_parameters=ndarrays_to_parameters([LABELS]),
        )
        self.began: list[float] = []
        self.seconds: list[float] = []

    def configure_fit(self, *arguments: Any, **named: Any) -> Any:
        self.began.append(time.monotonic())
        return super().configure_fit(*arguments, **named)

    def aggregate_fit(self, *arguments: Any, **named: Any) -> Any:
        aggregated = super().aggregate_fit(*arguments, **named)
        self.seconds.append(time.monotonic() - self.began[-1])
        return aggregated


class Trivial(NumPyClient):
    """Trains nothing."""

    def fit(self, _parameters: Any, _config: Any) -> Any:
        return [LABELS], 1, {}


def main() -> None:
    if sys.argv[1] == "client":
        start_client(server_address=sys.argv[2], client=Trivial().to_client())
        return
    strategy = Timed(int(sys.argv[3]))
    start_server(server_address=sys.argv[2], config=ServerConfig(num_rounds=int(sys.argv[4])), strategy=strategy)
    print(json.dumps(strategy.seconds), flush=True)


if __name__ == "__main__":
    main()
