"""Refuses requests that cannot be parsed by name, where gRPC itself would report an internal error.

The handlers are wrapped once, when they are registered. An interceptor would do the same at every call, and a call of a
grpc.aio server with an interceptor costs a third more than one without.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from limbeck_common.core.errors import StreamError
from limbeck_server.rpc.authentication import CallContext
from limbeck_server.rpc.errors import refusing


class Registrar:
    """Registers services at a server, with handlers that refuse what cannot be parsed: pass it to `add_...Servicer`."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """See `grpc.aio.Server.add_generic_rpc_handlers`."""
        self._server.add_generic_rpc_handlers([_Parsing(handler) for handler in handlers])

    def add_registered_method_handlers(self, _service: str, _handlers: object) -> None:
        """Do nothing, as grpc.aio does: the generic handlers serve every method."""


class _Parsing(grpc.GenericRpcHandler):
    def __init__(self, inner: grpc.GenericRpcHandler) -> None:
        self._inner = inner
        self._wrapped: dict[str, Any] = {}  # by method, of those that there are

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = self._inner.service(handler_call_details)
            if handler is None:
                return None
            self._wrapped[method] = _wrap(handler)
        return self._wrapped[method]


def _wrap(handler: Any) -> Any:
    parse, serialize = _lenient(handler.request_deserializer), handler.response_serializer
    if handler.stream_unary:  # it checks the messages of its stream itself, one by one
        return grpc.stream_unary_rpc_method_handler(handler.stream_unary, parse, serialize)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(_to_stream(handler.unary_stream), parse, serialize)
    return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary), parse, serialize)


def _lenient(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a deserializer that returns a refusal for a request that cannot be parsed."""

    def parse_or_refuse(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return StreamError("a request that cannot be parsed", expected="a message of limbeck.v1")

    return parse_or_refuse


def check_parsed(request: Any) -> Any:
    """Return a request. Raises StreamError where it could not be parsed."""
    if isinstance(request, StreamError):
        raise request
    return request


def _unary(handle: Callable[[Any, CallContext], Awaitable[Any]]) -> Callable[[Any, CallContext], Awaitable[Any]]:
    async def handle_parsed(request: Any, context: CallContext) -> Any:
        async with refusing(context):
            return await handle(check_parsed(request), context)

    return handle_parsed


def _to_stream(
    handle: Callable[[Any, CallContext], AsyncGenerator[Any]],
) -> Callable[[Any, CallContext], AsyncIterator[Any]]:
    async def handle_parsed(request: Any, context: CallContext) -> AsyncIterator[Any]:
        async with refusing(context), aclosing(handle(check_parsed(request), context)) as answers:
            async for answer in answers:
                yield answer

    return handle_parsed
