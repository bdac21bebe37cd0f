"""The demo's clients suit the method."""

import pytest

from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.demo import MODELS, with_servers_model
from limbeck_server.settings import load


@pytest.mark.parametrize(
    ("method", "models"), [("dsfl", list(MODELS)), ("fedavg", ["mlp"] * 5), ("fedkd_ts", ["mlp"] * 5)]
)
def test_clients_that_send_weights_have_the_servers_model(method: str, models: list[str]) -> None:
    settings = load(None, {"method.name": method, "model.name": "mlp"})
    assert [client.model for client in with_servers_model(make_clients(MODELS, 5), settings)] == models
