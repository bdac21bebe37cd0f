"""A whole federation in one process and a few workers: the daemon's coordinator, the clients' agents, no network."""

import asyncio
import contextlib
import time

import numpy as np

from limbeck_client.runner import Runner
from limbeck_common.core.blocks import Space
from limbeck_common.core.errors import EndedError, LimbeckError
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.results.records import Summary
from limbeck_lab.run.federation_events import events_of
from limbeck_lab.run.lab_run import LabRun, write_settings
from limbeck_lab.run.ray_workers import workers_on
from limbeck_lab.run.recorder import Recorder
from limbeck_lab.run.simulated.memory_transport import MemoryTransport
from limbeck_lab.run.simulated.placement import place_clients
from limbeck_lab.run.simulated.worker_runtime import WorkerRuntime
from limbeck_server.aggregation.aggregation import Aggregation
from limbeck_server.aggregation.open_round import OpenRound
from limbeck_server.federation import Federation
from limbeck_server.settings import Settings
from limbeck_server.storage.memory import MemoryStore
from limbeck_server.storage.protocols import Store
from limbeck_server.storage.sqlite import SqliteStore


async def simulate(run: LabRun) -> Summary:
    """Run a federation to its end in `run.workers` processes, and return how it went.

    A federation that failed has a summary too: its `state` and `reason` say so.

    Raises:
        LimbeckError: it cannot start, or a client failed.
    """
    began = time.monotonic()
    with workers_on(run.engine, run.workers) as worker_processes:
        return await _simulate(run, worker_processes, began)


async def _simulate(run: LabRun, worker_processes: list[WorkerProcess], began: float) -> Summary:
    settings = run.settings
    store: Store = SqliteStore(settings.store.path) if run.keep_store else MemoryStore()
    server_worker = WorkerProcess()  # beside the store, whose files it reads
    try:
        async with Federation.open(
            settings if run.keep_store else _forgetful(settings),
            store=store,
            worker=worker_processes[-1] if run.engine == "local" else server_worker,
            federation_id="simulation",
        ) as federation:
            spec = federation.spec
            write_settings(run, spec)
            distilled = open_rows(federation.coordinator.aggregation)
            places = place_clients(run.clients, spec, run.workers, settings, distilled)
            runtimes = {
                client.name: WorkerRuntime(client, worker_processes[places[client.name]], settings)
                for client in run.clients
            }
            transports = {client.name: MemoryTransport(federation) for client in run.clients}

            def count(number: int) -> ByteCount:
                return sum((transport.rounds[number] for transport in transports.values()), ByteCount())

            recorder = Recorder(run, count, has_model=federation.model is not None)
            try:
                async with asyncio.TaskGroup() as tasks:  # the first failure cancels the others
                    tasks.create_task(federation.coordinator.run())
                    tasks.create_task(recorder.follow(events_of(federation.coordinator)))
                    for name, runtime in runtimes.items():
                        tasks.create_task(_take_part(Runner(name, transports[name], runtime)))
            except* LimbeckError as failures:
                raise failures.exceptions[0] from None
            seconds = time.monotonic() - began
            if federation.model is not None:
                await federation.model.save(run.folder / "models" / "server")
            for name, runtime in runtimes.items():
                await runtime.save(run.folder / "models" / name)
            alone_accuracy: dict[str, float | None] = {}
            if run.alone and recorder.end.state == "finished":
                run.show("training each client alone, to compare")
                metrics = await asyncio.gather(*(runtime.alone(spec) for runtime in runtimes.values()))
                alone_accuracy = {name: each.get("accuracy") for name, each in zip(runtimes, metrics, strict=True)}
    finally:
        for worker_process in (*worker_processes, server_worker):
            await worker_process.close()
        store.close()
    carried = {name: transport.carried for name, transport in transports.items()}
    return recorder.summarise(alone_accuracy, carried, seconds, "as encoded")


def _forgetful(settings: Settings) -> Settings:
    """Return the settings with uplinks deleted a round after their aggregate: memory is finite."""
    kept = settings.store.model_copy(update={"keep_rounds": 1})
    return settings.model_copy(update={"store": kept})


def open_rows(aggregation: Aggregation) -> int:
    """Return how many open rows the first round asks for."""
    plan = OpenRound(
        aggregation.method, aggregation.history, 1, lambda: iter(()), lambda parts: np.concatenate(list(parts))
    ).plan.values()
    return max((len(ask.rows) for ask in plan if ask.form.space is Space.OPEN), default=0)


async def _take_part(runner: Runner) -> None:
    with contextlib.suppress(EndedError):  # the recorder sees the end too, and the summary reports it
        await runner.run()
