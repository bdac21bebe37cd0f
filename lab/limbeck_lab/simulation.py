"""`limbeck.simulate`: a federation in this process and a few workers, from Python."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_common.core.errors import EndedError, MethodError, UserCodeError
from limbeck_common.methods.method import Method
from limbeck_common.methods.registry import METHODS
from limbeck_common.runtime.saved_model import TrainedModel, load_model
from limbeck_common.support.logs import unset_logs_at
from limbeck_lab.compare.variants import read_method
from limbeck_lab.report.run_report import write_report
from limbeck_lab.results.metrics_file import read
from limbeck_lab.results.records import Results, mean
from limbeck_lab.run.clients import make_clients
from limbeck_lab.run.lab_run import DEFAULTS, BaseSettings, LabRun, make_run_folder, timed_folder
from limbeck_lab.run.simulate import simulate as run_simulation
from limbeck_server.settings.flags import as_pairs

Named = str | Callable[..., Any]
"""A callable of a module, or its name as package.module:callable: worker processes import it by its name."""


@dataclass(frozen=True)
class Simulation:
    """A finished simulation: `folder` has its settings, rounds, models and report.html.

    >>> Simulation(Path("runs/none"), Results()).bytes_per_client
    0.0
    """

    folder: Path
    results: Results

    @property
    def accuracy(self) -> float | None:
        """The mean of the clients' test accuracies at the end, from 0 to 1."""
        return mean(client.federated for client in self.results.clients)

    @property
    def server_accuracy(self) -> float | None:
        """The test accuracy of the server's own model at the end; None where it has none."""
        return None if self.results.summary is None else self.results.summary.server_accuracy

    @property
    def bytes_per_client(self) -> float:
        """Bytes that a client sent and received, as they are encoded; the mean over the clients."""
        return self.results.carried.total / max(1, len(self.results.clients))

    def load_model(self, name: str = "server") -> TrainedModel:
        """Return the final model of a client, by its name, or the server's own."""
        return load_model(self.folder / "models" / name)


def simulate(  # noqa: PLR0913 - what a simulation needs to know, each with a default
    method: str | Method | type[Method] = "dsfl",
    *,
    clients: int = 5,
    model: Named | Sequence[Named] = "cnn",
    data: Named | None = None,
    rounds: int = 10,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    alone: bool = False,
    workers: int = 2,
    engine: str = "local",
    folder: Path | str | None = None,
    show: Callable[[str], None] = print,
) -> Simulation:
    """Simulate a federation and return its results: the same bits as over a network with the same settings.

    `method` is a built-in one, with options as in `"dsfl:aggregation=sa"`, or one of your own, as a class or an object
    with its options. `model` names the clients' models, which they take in turn; `data` is called with each client's
    `part`, and None for the server, and returns a `ParticipantData`; without it, the data is a built-in set. `settings`
    are any of the server's, by dotted key. `alone` also trains each client without the others, to compare. `workers`
    train, where `engine` says: local, ray or ray://HOST:PORT. `folder` takes the results, by default
    runs/simulate-TIME; `show` gets a line per round.

    >>> import tempfile
    >>> import limbeck
    >>> done = limbeck.simulate(
    ...     "fedct", clients=2, model="mlp", rounds=1, folder=tempfile.mkdtemp(), show=lambda line: None,
    ...     settings={"data.private": 100, "data.open": 50, "recipe.fit.epochs": 1, "recipe.distill.epochs": 1},
    ... )
    >>> [client.name for client in done.results.clients], done.load_model("client-0").card.model
    (['client-0', 'client-1'], 'mlp')

    Raises:
        LimbeckError: it cannot start, a client failed, or the federation ended in another state than finished.
    """
    models = [model] if isinstance(model, str) or callable(model) else list(model)
    flags = {"federation.rounds": str(rounds), "federation.seed": str(seed)} | _method_flags(method)
    if data is not None:
        flags["open.source"] = name_of(data)
    flags |= {key: value for name, given in (settings or {}).items() for key, value in as_pairs({name: given}).items()}
    target = make_run_folder(Path(folder) if folder is not None else timed_folder("simulate"))
    run = LabRun(
        BaseSettings(clients, None, DEFAULTS, flags).load(target),
        make_clients(tuple(map(name_of, models)), clients),
        target,
        workers,
        alone=alone,
        show=show,
        engine=engine,
    )
    with unset_logs_at("warning"), ThreadPoolExecutor(1) as thread:  # a notebook has a running loop in its own
        summary = thread.submit(asyncio.run, run_simulation(run)).result()
    write_report(target)
    if summary.state != "finished":
        raise EndedError(f"the federation {summary.state}: {summary.reason}", remedy=f"its rounds are in {target}")
    return Simulation(target, read(target))


def name_of(given: Named) -> str:
    """Return the name by which another process can import a callable.

    >>> name_of(read), name_of("cnn")
    ('limbeck_lab.results.metrics_file:read', 'cnn')

    Raises:
        UserCodeError: it has none.
    """
    if isinstance(given, str):
        return given
    module, name = getattr(given, "__module__", "__main__"), getattr(given, "__qualname__", "<unknown>")
    script = getattr(sys.modules["__main__"], "__file__", None)
    if module == "__main__" and script is not None:  # a script's folder is on its path: it can be imported by its name
        module = Path(script).stem
    if module == "__main__" or not name.isidentifier():
        raise UserCodeError(
            f"{name} of {module} cannot be imported by a worker process",
            expected="a function or a class at the top of a module",
            remedy="write it to a file, such as mine.py, and import it from there",
        )
    return f"{module}:{name}"


def _method_flags(method: str | Method | type[Method]) -> dict[str, str]:
    if isinstance(method, str):
        variant = read_method(method)
        return as_pairs({"method": {"name": variant.method}}) | {
            f"method.options.{key}": value for key, value in variant.options.items()
        }
    kind = type(method) if isinstance(method, Method) else method
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise MethodError(f"{method!r} is not a method", expected="a name, or a class that extends Method")
    known = {built_in: name for name, built_in in METHODS.items()}
    options = method.model_dump(mode="json") if isinstance(method, Method) else {}
    return as_pairs({"method": {"name": known.get(kind) or name_of(kind), "options": options}})
