"""Errors to gRPC statuses: the code, one line, and a google.rpc.ErrorInfo for programs."""

import errno
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status.rpc_status import to_status

from limbeck_common.core.errors import RefusalError, SetupError, StoreFullError

_MOST_CHARACTERS = 800  # trailers over 8 KiB never arrive
_log = structlog.get_logger()


class refusing:  # noqa: N801 - used as a function
    """End the call with the status of a refusal that is raised inside, and with INTERNAL for any unforeseen error.

    What only this machine's operator can mend is UNAVAILABLE, so that the caller may try again.
    """

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        """Do nothing."""

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """End the call if there was an error."""
        await refuse_after(self._context, error)


async def refuse_after(context: grpc.aio.ServicerContext[Any, Any], error: BaseException | None) -> None:
    """End a call with the status of what was raised in it, if it was an error and has not ended the call already."""
    if isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
        await refuse(context, error)


async def refuse(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    """End a call with the status of an error; raises gRPC's AbortError."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "try again when its operator has made room"
        error = StoreFullError("the server's disk is full", remedy=remedy)
    if isinstance(error, RefusalError):
        _log.warning("refused", reason=error.reason, peer=context.peer(), error=str(error))
        await context.abort_with_status(to_status(_status(error)))
    elif isinstance(error, SetupError):
        _log.error("cannot serve", peer=context.peer(), error=str(error))
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error)[:_MOST_CHARACTERS])
    else:  # the last resort: one client's call fails, the daemon lives
        _log.error("internal error", peer=context.peer(), exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, f"internal error: {type(error).__name__}; see the server's log")
    raise RuntimeError("an aborted call goes on")


def _status(error: RefusalError) -> Status:
    detail = AnyMessage()
    said = {"wrong": error.wrong, "expected": error.expected, "remedy": error.remedy}
    metadata = {key: text[:_MOST_CHARACTERS] for key, text in said.items()}
    detail.Pack(ErrorInfo(reason=error.reason, domain="limbeck", metadata=metadata))
    code: int = grpc.StatusCode[error.status].value[0]
    return Status(code=code, message=str(error)[:_MOST_CHARACTERS], details=[detail])
