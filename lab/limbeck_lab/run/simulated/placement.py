"""Which worker process trains which client."""

from limbeck_common.core.spec import Spec
from limbeck_common.runtime.make_data import make_data
from limbeck_lab.run.clients import Client
from limbeck_server.settings import Settings

_PREDICTED_PER_TRAINED = 3  # rows predicted in the time that one row is trained on


def place_clients(
    clients: list[Client], spec: Spec, workers: int, settings: Settings, open_rows: int
) -> dict[str, int]:
    """Return the worker of each client, by name, so that all workers have about as much to do.

    `open_rows` are the rows that a client and the server's model distill on in a round. The last worker has the
    server's model too. The measure is rows trained on per round.
    """
    distilled = spec.recipe.distill.epochs * open_rows
    test = make_data(settings.open.source, spec, None, settings.data_dir).test
    loads = [0.0] * workers
    loads[-1] = distilled + (0 if test is None else len(test.y) / _PREDICTED_PER_TRAINED)
    costs = {}
    for client in clients:
        private = make_data(settings.open.source, spec, client.part, settings.data_dir).private
        costs[client.name] = distilled + spec.recipe.fit.epochs * (0 if private is None else len(private.y))
    chosen = {}
    for name in sorted(costs, key=lambda each: -costs[each]):
        chosen[name] = loads.index(min(loads))
        loads[chosen[name]] += costs[name]
    return chosen
