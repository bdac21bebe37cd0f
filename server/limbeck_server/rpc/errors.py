"""Errors to gRPC statuses: the code, one line, and a google.rpc.ErrorInfo for programs."""

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status.rpc_status import to_status

from limbeck_common.core.errors import RefusalError, SetupError, StoreFullError

_MOST_CHARACTERS = 800  # trailers over 8 KiB never arrive
_log = structlog.get_logger()


@asynccontextmanager
async def refusing(context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """End the call with the status of a refusal that is raised inside, and with INTERNAL for any unforeseen error.

    What only this machine's operator can mend is UNAVAILABLE, so that the caller may try again.
    """
    try:
        with _full():
            yield
    except RefusalError as error:
        _log.warning("refused", reason=error.reason, peer=context.peer(), error=str(error))
        await context.abort_with_status(to_status(_status(error)))
    except SetupError as error:
        _log.error("cannot serve", peer=context.peer(), error=str(error))
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error)[:_MOST_CHARACTERS])
    except grpc.aio.AbortError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: one client's call fails, the daemon lives
        _log.exception("internal error", peer=context.peer())
        await context.abort(grpc.StatusCode.INTERNAL, f"internal error: {type(error).__name__}; see the server's log")


@contextmanager
def _full() -> Iterator[None]:
    """Turn the operating system's word for a full disk into StoreFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise StoreFullError("the server's disk is full", remedy="try again when its operator has made room") from error


def _status(error: RefusalError) -> Status:
    detail = AnyMessage()
    said = {"wrong": error.wrong, "expected": error.expected, "remedy": error.remedy}
    metadata = {key: text[:_MOST_CHARACTERS] for key, text in said.items()}
    detail.Pack(ErrorInfo(reason=error.reason, domain="limbeck", metadata=metadata))
    code: int = grpc.StatusCode[error.status].value[0]
    return Status(code=code, message=str(error)[:_MOST_CHARACTERS], details=[detail])
