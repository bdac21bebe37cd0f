"""A whole federation in one process and a few workers: the daemon's coordinator, the clients' agents, no network."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from limbeck_client.runner import Runner
from limbeck_common.core.errors import EndedError
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_lab.run.clients import Bytes, Client
from limbeck_lab.run.federation_events import events_of
from limbeck_lab.run.folder import write_settings
from limbeck_lab.run.memory_transport import MemoryTransport
from limbeck_lab.run.recorder import Recorder
from limbeck_lab.run.results import Summary
from limbeck_lab.run.together import together
from limbeck_lab.run.worker_runtime import WorkerRuntime, share_out
from limbeck_server.federation import Federation
from limbeck_server.settings import Settings


async def simulate(  # noqa: PLR0913 - one run's choices
    settings: Settings, clients: list[Client], run: Path, *, workers: int, alone: bool, show: Callable[[str], None]
) -> Summary:
    """Run a federation of `clients` to its end in `workers` processes, and return how it went.

    `alone` also trains each client without the federation, to compare. Results go to the folder `run`.

    A federation that failed has a summary too: its `state` and `reason` say so.

    Raises:
        LimbeckError: it cannot start, or a client failed.
    """
    began = time.monotonic()
    worker_processes = [WorkerProcess() for _ in range(workers)]
    try:
        async with Federation.open(settings, worker=worker_processes[-1], federation_id="simulation") as federation:
            spec = federation.spec
            write_settings(run, settings, spec, {client.name: client.model for client in clients})
            places = share_out(clients, spec, workers, settings.data_dir)
            runtimes = {
                client.name: WorkerRuntime(
                    client, worker_processes[places[client.name]], settings.model.device, settings.data_dir
                )
                for client in clients
            }
            transports = {client.name: MemoryTransport(federation) for client in clients}

            def count(number: int) -> Bytes:
                return sum((transport.rounds[number] for transport in transports.values()), Bytes())

            recorder = Recorder(run, count, show, has_model=federation.model is not None)
            await together(
                federation.coordinator.run(),
                recorder.follow(events_of(federation.coordinator)),
                *(_take_part(Runner(name, transports[name], runtime)) for name, runtime in runtimes.items()),
            )
            seconds = time.monotonic() - began
            if federation.model is not None:
                await federation.model.save(str(run / "models" / "server.safetensors"))
            for name, runtime in runtimes.items():
                await runtime.save(run / "models" / f"{name}.safetensors")
            alone_accuracy: dict[str, float | None] = {}
            if alone and recorder.end.state == "finished":
                show("training each client alone, to compare")
                metrics = await asyncio.gather(*(runtime.alone(spec) for runtime in runtimes.values()))
                alone_accuracy = {name: each.get("accuracy") for name, each in zip(runtimes, metrics, strict=True)}
    finally:
        for worker_process in worker_processes:
            await worker_process.close()
    carried = {name: transport.carried for name, transport in transports.items()}
    return recorder.summarise(clients, alone_accuracy, carried, seconds, "as encoded")


async def _take_part(runner: Runner) -> None:
    with contextlib.suppress(EndedError):  # the recorder hears of it too, and the summary tells
        await runner.run()
