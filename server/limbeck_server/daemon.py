"""The daemon's life: start, serve, stop."""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.payload import message_bytes
from limbeck_common.wire.v1 import federation_pb2, operator_pb2
from limbeck_common.wire.v1.federation_pb2_grpc import add_FederationServicer_to_server
from limbeck_common.wire.v1.operator_pb2_grpc import add_OperatorServicer_to_server
from limbeck_server.build import find_open_data, make_machine, make_models, make_server_model, make_spec
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.pki.registry import Registry
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.machine import FederationPhase
from limbeck_server.round.membership import Membership
from limbeck_server.round.presence import Presence
from limbeck_server.round.server_model import WorkerServerModel
from limbeck_server.rpc.authentication import Authentication
from limbeck_server.rpc.federation_service import FederationService, Traffic
from limbeck_server.rpc.operator_service import OperatorService
from limbeck_server.rpc.server import bind, choose_tls, new_server, serve_enrolment, warn_of_expiry
from limbeck_server.settings import Settings
from limbeck_server.storage.sqlite import Store

_DAY = 86_400.0
_REGISTRY_SECONDS = 1.0  # between two looks at what was revoked
_log = structlog.get_logger()


async def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the federation that `settings` describe until it ends or a signal comes; return the exit status.

    `announce` gets the address once the daemon listens. 0: finished, stopped or parked; 1: the federation failed.

    Raises:
        SetupError: it cannot start.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)

    tls = choose_tls(settings)
    method = make_method(settings.method)
    open_data = find_open_data(settings)
    spec = make_spec(settings, open_data)
    store = Store(settings.store.path, settings.store.keep_rounds)
    _check_same(store, spec.model_dump_json(), open_data.digest.hex())
    worker_process = WorkerProcess()
    closing = contextlib.AsyncExitStack()
    try:
        server_model = await make_server_model(settings, spec, worker_process)
        models = await make_models(settings, spec, method, worker_process)
        presence = Presence(settings.round.grace)
        coordinator = Coordinator(spec, make_machine(settings), method, store, presence, server_model, models)
        coordinator.recover(uuid.uuid4().hex[:12])
        registry = closing.enter_context(tls.registry()) if tls else None
        authentication = Authentication(registry, settings.limits.calls_per_client)
        membership = Membership(coordinator, open_data.digest, open_data.data)
        server, address = await _listen(settings, coordinator, membership, tls, authentication)
        closing.push_async_callback(server.stop, 1.0)
        if tls and registry:
            enrolment = await serve_enrolment(settings, tls, registry, int(address.rpartition(":")[2]))
            closing.push_async_callback(enrolment.stop, 0)
            for watching in (_warn_daily(tls), _follow_revocations(coordinator, registry)):
                closing.callback(asyncio.create_task(watching).cancel)
        announce(address)
        running = asyncio.create_task(coordinator.run())
        signalled = asyncio.create_task(stopping.wait())
        await asyncio.wait({running, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            await _linger(coordinator, settings.limits.linger_seconds, stopping)
            if server_model is not None:
                await _save(server_model, settings.store.path / "server-model.safetensors")
        else:
            await coordinator.park()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        signalled.cancel()
    finally:
        await closing.aclose()
        await worker_process.close()
        store.close()
    return _farewell(coordinator)


async def _listen(
    settings: Settings,
    coordinator: Coordinator,
    membership: Membership,
    tls: TlsFolder | None,
    authentication: Authentication,
) -> tuple[grpc.aio.Server, str]:
    server = new_server(message_bytes(coordinator.spec.open_rows), settings.limits.connections)
    traffic = Traffic()
    federation = FederationService(membership, coordinator, settings.limits, traffic, authentication)
    add_FederationServicer_to_server(federation, server)
    add_OperatorServicer_to_server(OperatorService(coordinator, traffic, authentication), server)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    services = [
        federation_pb2.DESCRIPTOR.services_by_name["Federation"].full_name,
        operator_pb2.DESCRIPTOR.services_by_name["Operator"].full_name,
    ]
    reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = bind(server, settings.listen.at(), tls)
    await server.start()
    for service in ("", *services):
        await checker.set(service, health_pb2.HealthCheckResponse.SERVING)
    return server, settings.listen.at(port)


async def _warn_daily(tls: TlsFolder) -> None:
    while True:
        await asyncio.sleep(_DAY)
        warn_of_expiry(tls)


async def _follow_revocations(coordinator: Coordinator, registry: Registry) -> None:
    """End the membership of clients whose certificates `limbeck-server revoke`, another process, has taken back."""
    while True:
        for name in sorted(registry.revoked_names() & coordinator.state.active):
            coordinator.operate(coordinator.machine.revoke(coordinator.state, name, time.time()))
        await asyncio.sleep(_REGISTRY_SECONDS)


def _check_same(store: Store, spec: str, open_digest: str) -> None:
    """Refuse to go on with a journal that was begun under another specification or with another open set."""
    for name, mine, what in (("spec", spec, "settings"), ("open", open_digest, "open data")):
        kept = store.note(name)
        if kept is None:
            store.note(name, mine)
        elif kept != mine:
            raise SettingsError(
                f"{store.folder} holds the journal of a federation with other {what}",
                expected=f"the {what} that it was begun with",
                remedy="restore them, or name a new folder with --store",
            )


async def _save(server_model: WorkerServerModel, path: Path) -> None:
    try:
        await server_model.save(str(path))
    except LimbeckError as error:  # the federation is done, whatever became of the server's own model
        _log.warning("the server's own model is not saved", error=str(error))


async def _linger(coordinator: Coordinator, seconds: float, stopping: asyncio.Event) -> None:
    """Stay up until every present client has been told of the end."""
    told = asyncio.create_task(coordinator.until_notified())
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({told, signalled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
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
