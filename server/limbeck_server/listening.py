"""The daemon's ports: which of them speak TLS, and the rule that plain text does not leave the machine unasked."""

import grpc
import structlog

from limbeck_common.errors import ListenError, SettingsError
from limbeck_common.wire.credentials import is_loopback
from limbeck_common.wire.v1.enrolment_pb2_grpc import add_EnrolmentServicer_to_server
from limbeck_server.enrolment import EnrolmentService
from limbeck_server.registry import Registry
from limbeck_server.settings import Settings
from limbeck_server.tls_folder import TlsFolder

_ENROL_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1 << 16),  # strangers call here
    ("grpc.max_concurrent_streams", 8),
]
_log = structlog.get_logger()


def choose_tls(settings: Settings) -> TlsFolder | None:
    """Return the folder to serve TLS from, or None for plain text.

    Raises:
        SettingsError: it would be plain text on a network, and nobody has asked for that.
    """
    folder = TlsFolder(settings.tls.folder)
    host = settings.listen.host
    if settings.tls.insecure:
        _log.warning("insecure: plain text, callers are not authenticated and all can be read", host=host)
        return None
    if settings.tls.mode == "auto" and folder.initialised:
        warn_of_expiry(folder)
        return folder
    if not is_loopback(host):
        why = "tls.mode is off" if settings.tls.mode == "off" else f"{folder.path} has no certificates"
        raise SettingsError(
            f"plain text on {host}: {why}",
            expected="TLS wherever a network reaches",
            remedy=f"run `limbeck-server init --host NAME --tls {folder.path}` first, or use --insecure",
        )
    return None


def warn_of_expiry(folder: TlsFolder) -> None:
    """Log each of the server's own certificates that expires soon."""
    for name, left in folder.expiring():
        remedy = "limbeck-server rotate, then restart" if name != "ca.pem" else "init a new folder and enrol again"
        _log.warning("a certificate expires soon", file=str(folder.path / name), days=left, next=remedy)


def bind(server: grpc.aio.Server, wanted: str, folder: TlsFolder | None, *, mutual: bool = True) -> int:
    """Add a port to the server and return its number: TLS from a folder, for which a caller needs a certificate too.

    Raises:
        ListenError: the address cannot be bound.
    """
    try:
        if folder is None:
            return server.add_insecure_port(wanted)
        pair = folder.server()
        roots = folder.ca().certificate if mutual else None
        credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)], roots, require_client_auth=mutual)
        return server.add_secure_port(wanted, credentials)
    except RuntimeError as error:
        flag = "--port" if mutual else "--set tls.enrol_port=PORT"
        raise ListenError(
            f"cannot listen on {wanted}",
            expected="a free port and an address of this machine",
            remedy=f"name another with {flag} (0 takes any free one) or --host",
        ) from error


async def serve_enrolment(settings: Settings, folder: TlsFolder, registry: Registry, port: int) -> grpc.aio.Server:
    """Start the port where a token becomes a certificate; `port` is the main one's.

    Raises:
        ListenError: the address cannot be bound.
    """
    server = grpc.aio.server(options=_ENROL_OPTIONS)
    add_EnrolmentServicer_to_server(EnrolmentService(folder.ca(), registry), server)
    wanted = settings.tls.enrol_port
    if wanted is None:
        wanted = port + 1 if settings.listen.port else 0
    bound = bind(server, settings.listen.at(wanted), folder, mutual=False)
    registry.note("enrol_port", str(bound))
    await server.start()
    _log.info("enrolment", address=settings.listen.at(bound))
    return server
