"""A federation of real processes on loopback: one server, and clients with different models."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.credentials import find_credentials
from limbeck_lab.results.records import Summary
from limbeck_lab.run.clients import Client
from limbeck_lab.run.federation_events import events_at
from limbeck_lab.run.lab_run import LabRun, write_settings
from limbeck_lab.run.processes.meter import Meter, SinceLast
from limbeck_lab.run.processes.program import Program
from limbeck_lab.run.recorder import Recorder
from limbeck_lab.run.simulated.worker_runtime import WorkerRuntime
from limbeck_server.open_data import find_open_data
from limbeck_server.pki.folder import OPERATOR, TlsFolder
from limbeck_server.settings import Settings
from limbeck_server.settings.flags import as_flags
from limbeck_server.specification import make_spec

_TOKEN_SECONDS = 600
MODELS = ("cnn", "mlp", "resnet8", "cnn", "forest")


async def run_demo(run: LabRun) -> Summary:
    """Run a server process and a process for each client to the federation's end, and return how it went.

    The policy of every client allows all kinds that a method may send: all clients belong to this user. Where the
    method sends parameters, all clients have the server's model.

    Raises:
        LimbeckError: a process could not start or ended with an error.
    """
    began = time.monotonic()
    settings = run.settings
    spec = make_spec(settings, find_open_data(settings))
    run = replace(run, clients=with_servers_model(run.clients, settings))
    (run.folder / "policy.toml").write_text(f"kinds = {json.dumps(list(Kind))}\nkey_weights = true\n")
    tls = TlsFolder(settings.tls.folder)
    tls.init(["127.0.0.1"])
    write_settings(run, spec)
    programs: list[Program] = []
    meters: list[Meter] = []
    try:
        server = await _start_server(run)
        programs.append(server)
        await server.first_line()  # it listens from here on
        address = (await asyncio.to_thread(_address_file(run).read_text)).strip()
        run.show(f"server on {address}; {len(run.clients)} clients are starting, results go to {run.folder}")
        host, _, port = address.rpartition(":")
        meters += [Meter(host, int(port)) for _ in run.clients]
        for client, meter in zip(run.clients, meters, strict=True):
            programs.append(await _start_client(run, client, await meter.start(), tls))
        recorder = Recorder(run, SinceLast(meters), has_model=settings.model.name != "none")
        try:
            async with asyncio.TaskGroup() as tasks:  # the first failure cancels the others
                tasks.create_task(recorder.follow(events_at(address, find_credentials(tls.path / OPERATOR))))
                for program in programs:
                    tasks.create_task(program.finish())
        except* LimbeckError as failures:
            raise failures.exceptions[0] from None
    finally:
        await asyncio.gather(*(program.stop() for program in programs))
        for meter in meters:
            meter.stop()
    seconds = time.monotonic() - began
    model = settings.store.path / "server-model"
    if model.exists():
        model.rename(run.folder / "models" / "server")
    alone_accuracy = await _train_alone(run, spec) if run.alone else {}
    carried = {client.name: meter.carried for client, meter in zip(run.clients, meters, strict=True)}
    return recorder.summarise(alone_accuracy, carried, seconds, "on the socket")


def with_servers_model(clients: list[Client], settings: Settings) -> list[Client]:
    """Return the clients, with the server's model where the method has all start from the same weights."""
    if not make_method(settings.method).one_start:
        return clients
    return [replace(client, model=settings.model.name) for client in clients]


def _address_file(run: LabRun) -> Path:
    return run.folder / "server-address"


async def _start_server(run: LabRun) -> Program:
    arguments = ["run", "--address-file", str(_address_file(run)), *as_flags(run.settings.model_dump(mode="json"))]
    return await Program.start("the server", "limbeck_server.cli.main", arguments, run.folder / "logs/server.log")


async def _start_client(run: LabRun, client: Client, address: str, tls: TlsFolder) -> Program:
    folder, settings = run.folder, run.settings
    token = folder / "tokens" / client.name
    token.parent.mkdir(mode=0o700, exist_ok=True)
    token.write_text(str(tls.new_token(client.name, "client", _TOKEN_SECONDS)))
    arguments = ["join", address, "--name", client.name, "--model", client.model, "--part", str(client.part)]
    arguments += ["--device", settings.model.device, "--log-format", "text"]
    arguments += ["--out", str(folder / "models" / client.name), "--state", str(folder / "clients" / client.name)]
    arguments += ["--token-file", str(token), "--policy", str(folder / "policy.toml")]
    if settings.open.source is not None:
        arguments += ["--data", settings.open.source]
    if settings.data_dir is not None:
        arguments += ["--data-dir", str(settings.data_dir)]
    return await Program.start(client.name, "limbeck_client.cli.main", arguments, folder / f"logs/{client.name}.log")


async def _train_alone(run: LabRun, spec: Spec) -> dict[str, float | None]:
    """Return each client's accuracy when it trains on its private rows alone, for as many local epochs."""
    run.show("training each client alone, to compare")
    worker_processes = [WorkerProcess() for _ in range(run.workers)]
    try:
        runtimes = [
            WorkerRuntime(client, worker_processes[index % run.workers], run.settings)
            for index, client in enumerate(run.clients)
        ]
        metrics = await asyncio.gather(*(runtime.alone(spec) for runtime in runtimes))
    finally:
        for worker_process in worker_processes:
            await worker_process.close()
    return {client.name: each.get("accuracy") for client, each in zip(run.clients, metrics, strict=True)}
