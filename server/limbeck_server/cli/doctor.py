"""`limbeck-server doctor`: what would keep a daemon with these settings from running or from being reached."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.core.spec import MethodSpec, Spec
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.model_check import check_device, check_model
from limbeck_common.support.cli import AS_JSON
from limbeck_common.support.diagnostics import Finding, Level, as_json, check_folder, check_versions, failure, show
from limbeck_common.support.logs import set_up_logs
from limbeck_common.wire.credentials import is_loopback
from limbeck_server.cli.run import read_settings, run
from limbeck_server.open_data import find_open_data
from limbeck_server.open_files import OWN_FILES, most_files
from limbeck_server.pki.authority import hosts_of
from limbeck_server.rpc.server import choose_tls
from limbeck_server.settings import ListenSettings, Settings
from limbeck_server.specification import check_same, check_same_open_data, make_spec
from limbeck_server.storage.database import JOURNAL, check_not_emptied
from limbeck_server.storage.protocols import DamageError
from limbeck_server.storage.sqlite_reader import SqliteReader

_PACKAGES = (
    "grpcio",
    "protobuf",
    "numpy",
    "pydantic-settings",
    "sqlalchemy",
    "grpcio-health-checking",
    "grpcio-reflection",
)
_STAND_IN = MethodSpec(name="local")


@click.command(params=[each for each in run.params if each.name not in {"check", "address_file"}])
@AS_JSON
def doctor(config: Path | None, pairs: tuple[str, ...], *, json: bool, **named: Any) -> None:
    """Check that a `run` with the same options would work.

    It looks at this machine, the store, the port, the certificates, the data and the model, and changes nothing. It
    prints one line per finding, with a remedy, and exits with status 1 if the daemon would not run.
    """
    set_up_logs("error", "auto")
    sys.exit(show(diagnose_server(read_settings(config, pairs, named)), click.echo, as_json if json else str))


def diagnose_server(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, one thing after another. Nothing is left behind."""
    yield from check_versions(_PACKAGES)
    yield check_device(settings.model.name, settings.model.device)
    yield from check_folder("store", settings.store.path)
    yield _check_port(settings.listen)
    yield _check_descriptors(settings.limits.connections)
    yield from _check_tls(settings)
    usable = settings
    try:
        make_method(settings.method)
        yield Finding(Level.OK, f"method {settings.method.name}")
    except LimbeckError as error:
        yield failure(f"method {settings.method.name}", error)
        usable = settings.model_copy(update={"method": _STAND_IN})  # so that the rest is checked all the same
    try:
        found = find_open_data(usable)
        spec = make_spec(usable, found)
    except (LimbeckError, ValueError) as error:
        yield failure("open data", error)
        return
    where = "" if found.data is not None else ", not sent to clients"
    yield Finding(Level.OK, f"open data: {found.rows} rows, digest {found.digest.hex()[:16]}...{where}")
    if usable is not settings:
        spec = spec.model_copy(update={"method": settings.method})
    yield _check_journal(settings, spec, found.digest.hex())
    if settings.model.name == "none":
        yield Finding(Level.OK, "server model: none, the server aggregates only")
    else:
        yield check_model(
            settings.model.name, spec, np.zeros((2, *found.sample_shape), found.sample_dtype), settings.model.device
        )


def _check_descriptors(connections: int) -> Finding:
    most = most_files()
    said = f"up to {connections} connections, and {most} open files allowed"
    if most < connections + OWN_FILES:
        return Finding(Level.WARN, said, "raise `ulimit -Hn`, or lower limits.connections")
    return Finding(Level.OK, said)


def _check_port(listen: ListenSettings) -> Finding:
    where = listen.at()
    try:
        family, kind, _, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does: a port in TIME_WAIT is free
            probe.bind(address)
    except OSError as error:
        remedy = "stop the program that uses it (another daemon?), or choose another with --port or --host"
        return Finding(Level.FAIL, f"cannot listen on {where}: {error.strerror}", remedy)
    return Finding(Level.OK, f"{where} is free")


def _check_tls(settings: Settings) -> Iterator[Finding]:
    host = settings.listen.host
    try:
        folder = choose_tls(settings)
        named = [] if folder is None else hosts_of(folder.server().certificate)
    except LimbeckError as error:
        yield failure("TLS", error)
        return
    said = "plain text" if folder is None else f"TLS, with the certificates in {folder.path}"
    yield Finding(Level.OK, f"{said} on {host}")
    elsewhere = [name for name in named if not is_loopback(name)]
    if elsewhere and is_loopback(host) and not (folder and is_loopback(folder.host)):
        yield Finding(
            Level.WARN,
            f"the certificates are for {', '.join(elsewhere)}, but only this machine can reach {host}",
            "listen on every network with --host 0.0.0.0 or LIMBECK_LISTEN__HOST=0.0.0.0",
        )


def _check_journal(settings: Settings, spec: Spec, open_digest: str) -> Finding:
    """Return what a daemon would find in its store."""
    folder = settings.store.path
    if not (folder / JOURNAL).is_file():
        try:
            check_not_emptied(folder)
        except LimbeckError as error:
            return failure("store", error)
        return Finding(Level.OK, f"store {folder}: empty, a new federation would begin")
    try:
        reader = SqliteReader(folder)
    except LimbeckError as error:
        return failure(f"store {folder}", error)
    try:
        if faults := reader.faults():
            raise DamageError(faults[0])
        check_same(str(folder), reader.note("spec") or None, spec)
        check_same_open_data(str(folder), reader.note("open") or None, open_digest)
    except (DamageError, ValueError) as error:
        return Finding(Level.FAIL, f"store {folder} is damaged: {error}", "see what limbeck-server audit says")
    except SettingsError as error:
        return failure("store", error)
    finally:
        reader.close()
    return Finding(Level.OK, f"store {folder}: a federation to go on with")
