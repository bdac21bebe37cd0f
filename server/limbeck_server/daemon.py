"""The daemon's life: start, serve, stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from limbeck_common.core.errors import InternalError, LimbeckError, SetupError
from limbeck_common.wire.payload import message_bytes
from limbeck_common.wire.v1 import federation_pb2, operator_pb2
from limbeck_common.wire.v1.federation_pb2_grpc import add_FederationServicer_to_server
from limbeck_common.wire.v1.operator_pb2_grpc import add_OperatorServicer_to_server
from limbeck_server.aggregation.server_model import WorkerServerModel
from limbeck_server.federation import Federation
from limbeck_server.open_files import allow_files
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.state import FederationPhase, FederationState
from limbeck_server.rpc.authentication import Authentication
from limbeck_server.rpc.federation_service import FederationService, Traffic
from limbeck_server.rpc.operator_service import OperatorService
from limbeck_server.rpc.registration import Registrar
from limbeck_server.rpc.server import bind, choose_tls, new_server, serve_enrolment
from limbeck_server.settings import Settings
from limbeck_server.storage.database import MODEL
from limbeck_server.watchers import follow_revocations, warn_daily

_log = structlog.get_logger()


async def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the federation that `settings` describe until it ends or a signal comes; return the exit status.

    `announce` gets the address once the daemon listens. 0: finished, stopped or parked; 1: the federation failed.

    Raises:
        SetupError: it cannot start, or cannot go on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    allow_files(settings.limits.connections)
    async with running(settings, stopping) as server:
        announce(server.address)
        _log.info("uplinks are kept", rounds=settings.store.keep_rounds or "all", change="store.keep_rounds")
        signalled = asyncio.create_task(stopping.wait())
        await asyncio.wait({server.task, signalled, *server.watchers}, return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
    return _farewell(server.coordinator)


@dataclass(frozen=True)
class RunningServer:
    """A server inside this process: `address` is where it listens, HOST:PORT."""

    address: str
    coordinator: Coordinator
    task: asyncio.Task[None]
    watchers: list[asyncio.Task[None]]

    async def ended(self) -> FederationState:
        """Wait until the federation has ended, and return its state.

        Raises:
            LimbeckError: the server could not go on.
        """
        await asyncio.wait({self.task, *self.watchers}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            self.task.result()
        return self.coordinator.state


@contextlib.asynccontextmanager
async def running(settings: Settings, stopping: asyncio.Event | None = None) -> AsyncIterator[RunningServer]:
    """Run a server inside this process, as the daemon does but for signals; the end of the block stops or parks it.

    Once the federation has ended, the server stays up until its clients know, or `stopping` is set.

    Raises:
        SetupError: it cannot start, or cannot go on.
    """
    stopping = stopping or asyncio.Event()
    tls = choose_tls(settings)
    async with Federation.open(settings) as federation:
        coordinator = federation.coordinator
        if federation.founded:
            _log.info("a new federation begins", store=str(settings.store.path))
        async with _serving(settings, federation, tls) as (address, watchers):
            task = asyncio.create_task(coordinator.run())
            try:
                yield RunningServer(address, coordinator, task, watchers)
            except BaseException:
                await _park(coordinator, task, [])
                raise
            if finished := task.done():
                if coordinator.state.phase.ended:
                    await _linger(coordinator, settings.limits.linger_seconds, stopping)
                task.result()
            else:
                await _park(coordinator, task, watchers)
        trained = coordinator.trainer.model is not None  # it was not left out because it failed
        if finished and federation.model is not None and trained:
            await _save(federation.model, settings.store.path / MODEL)


@contextlib.asynccontextmanager
async def _serving(
    settings: Settings, federation: Federation, tls: TlsFolder | None
) -> AsyncIterator[tuple[str, list[asyncio.Task[None]]]]:
    """Serve all ports; yields the main one's address, and the tasks that watch what changes beside the federation."""
    async with contextlib.AsyncExitStack() as closing:
        registry = closing.enter_context(tls.registry()) if tls else None
        authentication = Authentication(registry, settings.limits.calls_per_client)
        server, address = await _listen(settings, federation, tls, authentication)
        closing.push_async_callback(server.stop, 1.0)
        watchers: list[asyncio.Task[None]] = []
        if tls and registry:
            enrolment = await serve_enrolment(settings, tls, registry, int(address.rpartition(":")[2]))
            closing.push_async_callback(enrolment.stop, 0)
            watching = (warn_daily(tls), follow_revocations(federation.coordinator, registry))
            watchers = [asyncio.create_task(each) for each in watching]
            for watcher in watchers:
                closing.callback(watcher.cancel)
        yield address, watchers


async def _listen(
    settings: Settings, federation: Federation, tls: TlsFolder | None, authentication: Authentication
) -> tuple[grpc.aio.Server, str]:
    server = new_server(message_bytes(federation.spec.open_rows), settings.limits.connections)
    traffic = Traffic()
    service = FederationService(federation, settings.limits, traffic, authentication)
    registrar = Registrar(server)
    add_FederationServicer_to_server(service, registrar)
    add_OperatorServicer_to_server(OperatorService(federation, traffic, authentication), registrar)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    services = [
        federation_pb2.DESCRIPTOR.services_by_name["Federation"].full_name,
        operator_pb2.DESCRIPTOR.services_by_name["Operator"].full_name,
    ]
    reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = bind(server, settings.listen.at(), tls)
    await server.start()
    for service_name in ("", *services):
        await checker.set(service_name, health_pb2.HealthCheckResponse.SERVING)
    return server, settings.listen.at(port)


async def _park(coordinator: Coordinator, running: asyncio.Task[None], watchers: list[asyncio.Task[None]]) -> None:
    """Stop driving the federation, all that was decided being in the journal.

    Raises:
        InternalError: that is not because of a signal, but because a watcher failed.
    """
    with contextlib.suppress(SetupError):  # the journal has stopped: `running` says why
        await coordinator.settled()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    for watcher in watchers:
        if watcher.done() and (error := watcher.exception()) is not None:
            said = f"{type(error).__name__}: {error}"
            raise InternalError(f"a watcher failed: {said}", remedy="start the daemon again to go on") from error


async def _save(model: WorkerServerModel, folder: Path) -> None:
    """Save the server's own model, unless an earlier run of the daemon has: a good model is never overwritten."""
    if await asyncio.to_thread(folder.exists):
        _log.info("the server's own model was saved before", folder=str(folder))
        return
    try:
        await model.save(folder)
    except LimbeckError as error:  # the federation is done, whatever became of the server's own model
        _log.warning("the server's own model is not saved", error=str(error))


async def _linger(coordinator: Coordinator, seconds: float, stopping: asyncio.Event) -> None:
    """Stay up until every present client knows of the end, for at most `seconds`."""
    notified = asyncio.create_task(coordinator.until_notified())
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({notified, signalled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if notified.done():
        notified.result()
    notified.cancel()
    signalled.cancel()


def _farewell(coordinator: Coordinator) -> int:
    state = coordinator.state
    if not state.phase.ended:
        _log.info(
            "parked",
            round=state.round,
            phase=state.phase,
            uplinks=len(state.delivered),
            next="start again with the same settings to go on",
        )
        return 0
    _log.info(state.phase, reason=state.reason)
    return 1 if state.phase is FederationPhase.FAILED else 0
