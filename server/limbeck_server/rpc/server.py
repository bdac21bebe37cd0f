"""The daemon's ports: which of them speak TLS, and the rule that plain text leaves the machine only on request."""

import grpc
import structlog

from limbeck_common.core.errors import ListenError, SettingsError
from limbeck_common.wire.credentials import is_loopback
from limbeck_common.wire.v1.enrolment_pb2_grpc import add_EnrolmentServicer_to_server
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.pki.registry import Registry
from limbeck_server.rpc.enrolment_service import EnrolmentService
from limbeck_server.rpc.registration import Registrar
from limbeck_server.settings import Settings

_ENROL_MESSAGE = 1 << 16  # bytes; unauthenticated callers reach this port
_ENROL_CONNECTIONS = 64
_log = structlog.get_logger()


def choose_tls(settings: Settings) -> TlsFolder | None:
    """Return the folder that TLS is served from, or None for plain text.

    Raises:
        SettingsError: the port would speak plain text on a network, and nobody has asked for that.
    """
    folder = TlsFolder(settings.tls.folder)
    host = settings.listen.host
    if settings.tls.insecure:
        _log.warning("insecure: plain text, callers are not authenticated, and anyone can read along", host=host)
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


def new_server(message_bytes: int, connections: int) -> grpc.aio.Server:
    """Return a server without a port, limited to `message_bytes` per message and to `connections` at a time."""
    options = [
        ("grpc.so_reuseport", 0),  # a port in use is an error, and its calls are not shared out
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # no compression: a small message could unpack to a huge one
        ("grpc.max_concurrent_streams", 100),  # per connection
        ("grpc.max_allowed_incoming_connections", connections),
        # As many calls may wait to be taken up as clients can make at once: gRPC cancels some of more than 1,000.
        ("grpc.server.max_pending_requests", 2 * connections),
        ("grpc.server.max_pending_requests_hard_limit", 2 * connections),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),  # without an open call
    ]
    return grpc.aio.server(options=options)


def warn_of_expiry(folder: TlsFolder) -> None:
    """Log each certificate of the server's own that expires soon."""
    for name, left in folder.expiring():
        remedy = "limbeck-server rotate, then restart" if name != "ca.pem" else "init a new folder and enrol again"
        _log.warning("a certificate expires soon", file=str(folder.path / name), days=left, next=remedy)


def bind(server: grpc.aio.Server, wanted: str, folder: TlsFolder | None, *, mutual: bool = True) -> int:
    """Add a port to the server and return its number. With a folder it speaks TLS; `mutual`: callers need certificates.

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
    """Start the port where a token is exchanged for a certificate; `port` is the main port's number.

    Raises:
        ListenError: the address cannot be bound.
    """
    server = new_server(_ENROL_MESSAGE, _ENROL_CONNECTIONS)
    add_EnrolmentServicer_to_server(EnrolmentService(folder.ca(), registry), Registrar(server))
    wanted = settings.tls.enrol_port
    if wanted is None:
        wanted = port + 1 if settings.listen.port else 0
    bound = bind(server, settings.listen.at(wanted), folder, mutual=False)
    registry.note("enrol_port", str(bound))
    await server.start()
    _log.info("enrolment", address=settings.listen.at(bound))
    return server
