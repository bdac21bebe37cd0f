"""What would keep a daemon with these settings from running: `limbeck-server doctor`."""

import resource
import socket
from collections.abc import Iterator

import numpy as np

from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.core.spec import Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.model_check import check_device, check_model
from limbeck_common.support.diagnostics import (
    Finding,
    Level,
    check_folder,
    check_versions,
    failure,
)
from limbeck_server.open_data import find_open_data
from limbeck_server.rpc.server import choose_tls
from limbeck_server.settings import ListenSettings, Settings
from limbeck_server.specification import check_same, make_spec
from limbeck_server.storage.database import JOURNAL
from limbeck_server.storage.protocols import DamageError
from limbeck_server.storage.sqlite_reader import SqliteReader

_PACKAGES = ("grpcio", "protobuf", "numpy", "sqlalchemy", "grpcio-health-checking", "grpcio-reflection")

_OWN_DESCRIPTORS = 64  # the journal, the uplinks' files, the worker's pipes


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, one thing after another. Nothing is left behind."""
    yield from check_versions(_PACKAGES)
    yield check_device(settings.model.name, settings.model.device)
    yield from check_folder("store", settings.store.path)
    yield _check_port(settings.listen)
    yield _check_descriptors(settings.limits.connections)
    yield _check_tls(settings)
    try:
        make_method(settings.method)
        yield Finding(Level.OK, f"method {settings.method.name}")
    except LimbeckError as error:
        yield failure(f"method {settings.method.name}", error)
    try:
        found = find_open_data(settings)
        spec = make_spec(settings, found)
    except (LimbeckError, ValueError) as error:
        yield failure("open data", error)
        return
    where = "" if found.data is not None else ", not sent to clients"
    yield Finding(Level.OK, f"open data: {found.rows} rows, digest {found.digest.hex()[:16]}...{where}")
    yield _check_journal(settings, spec, found.digest.hex())
    if settings.model.name == "none":
        yield Finding(Level.OK, "model: none, an aggregator only")
    else:
        yield check_model(
            settings.model.name, spec, np.zeros((2, *found.sample_shape), found.sample_dtype), settings.model.device
        )


def _check_descriptors(connections: int) -> Finding:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{connections} connections at most, {most} files may be open"
    if most < connections + _OWN_DESCRIPTORS:
        return Finding(Level.WARN, said, "raise `ulimit -n`, or lower limits.connections")
    return Finding(Level.OK, said)


def _check_port(listen: ListenSettings) -> Finding:
    where = listen.at()
    try:
        family, kind, _, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does: one in TIME_WAIT is free
            probe.bind(address)
    except OSError as error:
        remedy = "stop what listens there (a daemon that runs already?), or name another with --port or --host"
        return Finding(Level.FAIL, f"cannot listen on {where}: {error.strerror}", remedy)
    return Finding(Level.OK, f"{where} is free")


def _check_tls(settings: Settings) -> Finding:
    try:
        folder = choose_tls(settings)
    except LimbeckError as error:
        return failure("TLS", error)
    said = "plain text" if folder is None else f"TLS, with the certificates in {folder.path}"
    return Finding(Level.OK, f"{said} on {settings.listen.host}")


def _check_journal(settings: Settings, spec: Spec, open_digest: str) -> Finding:
    """Return what a daemon would find in its store."""
    folder = settings.store.path
    if not (folder / JOURNAL).is_file():
        return Finding(Level.OK, f"store {folder}: empty, a new federation would begin")
    try:
        reader = SqliteReader(folder)
    except LimbeckError as error:
        return failure(f"store {folder}", error)
    try:
        if faults := reader.faults():
            raise DamageError(faults[0])
        check_same(str(folder), reader.note("spec") or None, spec)
        kept = reader.note("open")
    except (DamageError, ValueError) as error:
        return Finding(Level.FAIL, f"store {folder} is damaged: {error}", "see what limbeck-server audit says")
    except SettingsError as error:
        return failure("store", error)
    finally:
        reader.close()
    if kept not in {"", open_digest}:
        remedy = "restore it, or name a new folder with --store"
        return Finding(Level.FAIL, f"store {folder} holds a federation with other open data", remedy)
    return Finding(Level.OK, f"store {folder}: a federation to go on with")
