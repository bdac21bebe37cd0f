"""A federation of real processes on loopback: one server, and clients of different models."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from limbeck_common.core.messages import Kind
from limbeck_common.core.spec import Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.credentials import find_credentials
from limbeck_lab.run.clients import Client
from limbeck_lab.run.federation_events import events_at
from limbeck_lab.run.folder import write_settings
from limbeck_lab.run.meter import Meter, SinceLast
from limbeck_lab.run.processes import Program, as_flags
from limbeck_lab.run.recorder import Recorder
from limbeck_lab.run.results import Summary
from limbeck_lab.run.together import together
from limbeck_lab.run.worker_runtime import WorkerRuntime
from limbeck_server.open_data import find_open_data
from limbeck_server.pki.folder import OPERATOR, TlsFolder
from limbeck_server.settings import Settings
from limbeck_server.specification import make_spec

_TOKEN_SECONDS = 600
MODELS = ("cnn", "mlp", "resnet8", "cnn", "forest")


async def run_demo(  # noqa: PLR0913 - one run's choices
    settings: Settings, clients: list[Client], run: Path, *, workers: int, alone: bool, show: Callable[[str], None]
) -> Summary:
    """Run a server process and a process for each client to the federation's end, and return how it went.

    `alone` also trains each client without the federation, in `workers` processes, to compare. Whatever the method
    sends may leave: all clients are this user's. Where it sends parameters, all have the server's model.

    Raises:
        LimbeckError: a process could not start or ended with an error.
    """
    began = time.monotonic()
    spec = make_spec(settings, find_open_data(settings))
    clients = fitting(clients, settings)
    (run / "policy.toml").write_text(f"kinds = {json.dumps(list(Kind))}\n")
    tls = TlsFolder(settings.tls.folder)
    tls.init(["127.0.0.1"])
    write_settings(run, settings, spec, {client.name: client.model for client in clients})
    programs: list[Program] = []
    meters: list[Meter] = []
    try:
        server = await Program.start(
            "the server",
            "limbeck_server.cli.main",
            ["run", *as_flags(settings.model_dump(mode="json"))],
            run / "logs/server.log",
        )
        programs.append(server)
        address = (await server.first_line()).rpartition(" ")[2]
        show(f"server on {address}; {len(clients)} clients are starting, results go to {run}")
        host, _, port = address.rpartition(":")
        meters += [Meter(host, int(port)) for _ in clients]
        for client, meter in zip(clients, meters, strict=True):
            programs.append(await _start_client(client, await meter.start(), settings, run, tls))
        recorder = Recorder(run, SinceLast(meters), show, has_model=settings.model.name != "none")
        await together(
            recorder.follow(events_at(address, find_credentials(tls.path / OPERATOR))),
            *(program.finish() for program in programs),
        )
    finally:
        await asyncio.gather(*(program.stop() for program in programs))
        for meter in meters:
            meter.stop()
    seconds = time.monotonic() - began
    model = settings.store.path / "server-model.safetensors"
    if model.exists():
        model.rename(run / "models" / "server.safetensors")
    alone_accuracy = await _train_alone(clients, settings, spec, workers, show) if alone else {}
    carried = {client.name: meter.bytes for client, meter in zip(clients, meters, strict=True)}
    return recorder.summarise(clients, alone_accuracy, carried, seconds, "on the socket")


def fitting(clients: list[Client], settings: Settings) -> list[Client]:
    """Return the clients, with the server's model where the method sends parameters."""
    if make_method(settings.method).sends is not Kind.PARAMETERS:
        return clients
    return [replace(client, model=settings.model.name) for client in clients]


async def _start_client(client: Client, address: str, settings: Settings, run: Path, tls: TlsFolder) -> Program:
    token = run / "tokens" / client.name
    token.parent.mkdir(mode=0o700, exist_ok=True)
    token.write_text(str(tls.new_token(client.name, "client", _TOKEN_SECONDS)))
    arguments = ["join", address, "--name", client.name, "--model", client.model, "--part", str(client.part)]
    arguments += ["--device", settings.model.device, "--log-format", "text"]
    arguments += ["--out", str(run / "models" / client.name), "--state", str(run / "clients" / client.name)]
    arguments += ["--token-file", str(token), "--policy", str(run / "policy.toml")]
    if settings.data_dir is not None:
        arguments += ["--data-dir", str(settings.data_dir)]
    return await Program.start(client.name, "limbeck_client.cli.main", arguments, run / f"logs/{client.name}.log")


async def _train_alone(
    clients: list[Client], settings: Settings, spec: Spec, workers: int, show: Callable[[str], None]
) -> dict[str, float | None]:
    """Return each client's accuracy when it trains on its private rows alone, for as many local epochs."""
    show("training each client alone, to compare")
    worker_processes = [WorkerProcess() for _ in range(workers)]
    try:
        runtimes = [
            WorkerRuntime(client, worker_processes[index % workers], settings.model.device, settings.data_dir)
            for index, client in enumerate(clients)
        ]
        metrics = await asyncio.gather(*(runtime.alone(spec) for runtime in runtimes))
    finally:
        for worker_process in worker_processes:
            await worker_process.close()
    return {client.name: each.get("accuracy") for client, each in zip(clients, metrics, strict=True)}
