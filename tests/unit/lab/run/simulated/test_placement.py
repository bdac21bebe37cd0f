"""Clients are placed so that workers have about as much to do."""

from limbeck_common.core.spec import Spec
from limbeck_common.datasets.registry import load_participant
from limbeck_common.methods.registry import make_method
from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.simulate import open_rows
from limbeck_lab.run.simulated.placement import place_clients
from limbeck_server.aggregation.aggregation import Aggregation
from limbeck_server.open_data import find_open_data
from limbeck_server.settings import load
from limbeck_server.specification import make_spec

SETTINGS = load(None, {})


def spec(method: str = "dsfl", **options: str) -> Spec:
    flags = {"data.dataset": "digits", "data.parts": "6", "data.partition": "iid", "method.name": method}
    settings = load(None, flags | {f"method.options.{key}": value for key, value in options.items()})
    return make_spec(settings, find_open_data(settings))


def test_one_worker_has_everything() -> None:
    assert set(place_clients(make_clients(("mlp",), 6), spec(), 1, SETTINGS, 500).values()) == {0}


def test_the_last_worker_has_the_servers_model_and_is_filled_last() -> None:
    given = spec()
    assert place_clients(make_clients(("mlp",), 1), given, 2, SETTINGS, 500) == {"client-0": 0}
    places = place_clients(make_clients(("mlp",), 2), given, 3, SETTINGS, 500)
    assert sorted(places.values()) == [0, 1]


def test_no_worker_has_much_more_than_another() -> None:
    clients, given = make_clients(("mlp",), 6), spec()
    rows = {
        client.name: len(private.y)
        for client in clients
        if (private := load_participant(given.data, given.seed, client.part, None).private) is not None
    }
    places = place_clients(clients, given, 3, SETTINGS, 0)
    loads = [sum(rows[name] for name, place in places.items() if place == worker) for worker in (0, 1)]
    assert max(loads) - min(loads) <= max(rows.values())


def test_the_rows_distilled_are_those_that_the_first_round_asks_for() -> None:
    def rows(method: str, **options: str) -> int:
        given = spec(method, **options)
        return open_rows(Aggregation(given, make_method(given.method), {}, object()))  # type: ignore[arg-type] # no store is read

    assert rows("dsfl", open_per_round="123") == 123
    assert rows("fedmd", open_per_round="50") == 50
    assert rows("cfd") == spec().open_rows
    assert rows("fd") == 0
