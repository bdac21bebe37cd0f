"""The dialling side of gRPC: channel options, and statuses turned back into our errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status.rpc_status import from_call

from limbeck_common.core.errors import RefusalError, UnreachableError, refusals

OPTIONS = [
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: a small compressed message can expand to a huge one
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # despite its name, the time that one attempt may take: links can be slow
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


@contextmanager
def translating(address: str) -> Iterator[None]:
    """Turn a call's failure into one of our errors: the server refused, or it is away and may come back.

    Raises:
        RefusalError: the server refused, with the reason that it gave.
        UnreachableError: the server did not answer; trying again may help.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        refusal = _refusal(error)
        if refusal is not None:
            raise refusal from error
        if error.code() in _AWAY:
            raise UnreachableError(
                f"no answer from {address}: {error.details()}",
                remedy="is the server up, the address right, and TLS the same at both ends?",
            ) from error
        raise RefusalError(
            f"{address} answered {error.code().name}: {error.details()}", expected="a limbeck server of this version"
        ) from error


def _refusal(error: grpc.aio.AioRpcError) -> RefusalError | None:
    status = from_call(error)  # type: ignore[arg-type] # it has the functions of a Call that are called
    for detail in status.details if status is not None else ():
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "limbeck":
            kind = refusals().get(info.reason, RefusalError)
            said = info.metadata
            return kind(said["wrong"], expected=said["expected"], remedy=said["remedy"])
    return None
