"""The composition root: settings become a federation that runs, here and nowhere else.

The daemon adds ports to it, the simulation adds clients in memory, and tests replace parts by keyword.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from limbeck_common.core.blocks import Shapes
from limbeck_common.core.errors import MethodError, SettingsError
from limbeck_common.core.messages import SERVER
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Method, Refines, named_models
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.make_learner import BUILT_IN
from limbeck_common.runtime.requests import Setup
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.support.plugins import is_plugin
from limbeck_server.aggregation.aggregation import Aggregation
from limbeck_server.aggregation.server_model import WorkerServerModel
from limbeck_server.aggregation.server_model_trainer import ServerModel
from limbeck_server.open_data import find_open_data
from limbeck_server.round.admission import Admissions
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.downlinks import Downlinks
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.membership import Membership
from limbeck_server.round.presence import Presence
from limbeck_server.settings import Count, LimitSettings, RoundSettings, Settings, Time
from limbeck_server.specification import check_same, check_same_open_data, make_spec
from limbeck_server.storage.protocols import Store
from limbeck_server.storage.sqlite import SqliteStore


@dataclass(frozen=True, eq=False)
class Federation:
    """One federation's parts, as transports use them."""

    spec: Spec
    store: Store
    coordinator: Coordinator
    membership: Membership
    downlinks: Downlinks
    admissions: Admissions
    model: WorkerServerModel | None = None  # the server's own, where the settings want one
    founded: bool = False  # just now, in an empty store

    @classmethod
    def assemble(  # noqa: PLR0913 - each part may be replaced, by keyword
        cls,
        spec: Spec,
        machine: Machine,
        store: Store,
        *,
        method: Method | None = None,
        architectures: Mapping[str, Shapes] | None = None,
        server_model: ServerModel | None = None,
        presence: Presence | None = None,
        open_digest: bytes = b"",
        open_data: NDArray[Any] | None = None,
        keep_rounds: int = 0,
        payload_bytes: int | None = None,
        clock: Callable[[], float] | None = None,
        federation_id: str | None = None,
    ) -> "Federation":
        """Return a federation of these parts, gone on with from its store. An event loop must be running.

        Raises:
            DataError, RefusalError: the store's open round cannot be taken up again.
        """
        method = method or make_method(spec.method)
        aggregation = Aggregation(spec, method, architectures or {}, store)
        coordinator = Coordinator(
            machine,
            store,
            aggregation,
            presence or Presence(RoundSettings().grace),
            server_model=server_model,
            keep_rounds=keep_rounds,
            clock=clock,
        )
        founded = coordinator.recover(federation_id or uuid.uuid4().hex[:12])
        most = payload_bytes or LimitSettings().payload_bytes
        return cls(
            spec,
            store,
            coordinator,
            Membership(coordinator, open_digest, open_data),
            Downlinks(coordinator),
            Admissions(coordinator, most),
            server_model if isinstance(server_model, WorkerServerModel) else None,
            founded,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        store: Store | None = None,
        worker: WorkerProcess | None = None,
        federation_id: str | None = None,
    ) -> AsyncIterator["Federation"]:
        """Open the federation that `settings` describe, and close what was opened for it at the end.

        `store` and `worker`, the process of the server's own model, belong to the caller where they are given.

        Raises:
            SetupError: it cannot start.
        """
        method = make_method(settings.method)
        open_data = find_open_data(settings)
        spec = make_spec(settings, open_data)
        opened_store = None if store else SqliteStore(settings.store.path)
        opened_worker = None if worker else WorkerProcess()
        store, worker = store or opened_store, worker or opened_worker
        if store is None or worker is None:
            raise RuntimeError("one of each is given or opened")
        try:
            _check_notes(settings, store, spec, open_data.digest.hex())
            model = await _make_server_model(settings, spec, worker)
            yield cls.assemble(
                spec,
                make_machine(settings),
                store,
                method=method,
                architectures=await _make_models(settings, spec, method, worker),
                server_model=model,
                presence=Presence(settings.round.grace),
                open_digest=open_data.digest,
                open_data=open_data.data,
                keep_rounds=settings.store.keep_rounds,
                payload_bytes=settings.limits.payload_bytes,
                federation_id=federation_id,
            )
        finally:
            if opened_worker is not None:
                await opened_worker.close()
            if opened_store is not None:
                opened_store.close()


def make_machine(settings: Settings) -> Machine:
    """Return the round machine with the federation's rules."""
    return Machine(
        rounds=settings.federation.rounds,
        seed=settings.federation.seed,
        lobby=_bounds(settings.lobby.count, settings.lobby.time),
        round=_bounds(settings.round.count, settings.round.time),
        sample_ratio=settings.round.sample_ratio,
        extensions=settings.round.extensions,
    )


def _bounds(count: Count, time: Time) -> Bounds:
    return Bounds(count.min, count.max, time.min, time.max)


def _check_notes(settings: Settings, store: Store, spec: Spec, open_digest: str) -> None:
    """Refuse to go on with a journal of another specification or open set; a new journal is marked with ours."""
    check_same(str(settings.store.path), store.note("spec"), spec)
    check_same_open_data(str(settings.store.path), store.note("open"), open_digest)
    for name, mine in (("spec", spec.model_dump_json()), ("open", open_digest)):
        if store.note(name) is None:
            store.note(name, mine)


async def _make_models(settings: Settings, spec: Spec, method: Method, worker: WorkerProcess) -> dict[str, Shapes]:
    """Return the architectures whose parameters the method takes, by what its forms call them.

    Raises:
        MethodError: the method needs the server's own model, and the settings want none.
        UserCodeError: the worker could not build one.
    """
    wanted = named_models(method, settings.model.name)
    if settings.model.name == "none" and (isinstance(method, Refines) or "none" in wanted.values()):
        raise MethodError(
            f"method {settings.method.name} needs the server's own model", remedy="name one: [model] name = ..."
        )
    models: dict[str, Shapes] = {}
    for group, model in wanted.items():
        models[group] = await worker.parameter_shapes(spec, model)
    return models


async def _make_server_model(settings: Settings, spec: Spec, worker: WorkerProcess) -> WorkerServerModel | None:
    """Return the server's own model in `worker`; None where the settings want none.

    Raises:
        SettingsError: there is no such model.
        UserCodeError: the worker could not build it.
    """
    name = settings.model.name
    if name == "none":
        return None
    if name not in BUILT_IN and not is_plugin(name):
        raise SettingsError(
            f"unknown model {name!r}", expected=f"one of {', '.join(BUILT_IN)}, package.module:callable, or none"
        )
    await worker.open(
        Setup(
            participant=SERVER,
            spec=spec,
            model=name,
            data=settings.open.source,
            data_dir=settings.data_dir,
            device=settings.model.device,
        )
    )
    return WorkerServerModel(worker, spec, name)
