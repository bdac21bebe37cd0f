"""Refuses requests that cannot be parsed by name, where gRPC itself would report an internal error."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from limbeck_common.core.errors import StreamError
from limbeck_server.rpc.authentication import CallContext
from limbeck_server.rpc.errors import refusing

_OURS = "/limbeck."
_Details = grpc.HandlerCallDetails


class ParseInterceptor(grpc.aio.ServerInterceptor):
    """Parses the requests of our own services without raising, and raises where the call can be refused."""

    async def intercept_service(
        self, continuation: Callable[[_Details], Awaitable[Any]], handler_call_details: _Details
    ) -> Any:
        """Return the call's handler with a deserializer that does not raise."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_OURS):
            return handler
        parse, serialize = _lenient(handler.request_deserializer), handler.response_serializer
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(_of_stream(handler.stream_unary), parse, serialize)
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


def _checked(request: Any) -> Any:
    if isinstance(request, StreamError):
        raise request
    return request


def _unary(handle: Callable[[Any, CallContext], Awaitable[Any]]) -> Callable[[Any, CallContext], Awaitable[Any]]:
    async def handle_parsed(request: Any, context: CallContext) -> Any:
        async with refusing(context):
            return await handle(_checked(request), context)

    return handle_parsed


def _to_stream(
    handle: Callable[[Any, CallContext], AsyncGenerator[Any]],
) -> Callable[[Any, CallContext], AsyncIterator[Any]]:
    async def handle_parsed(request: Any, context: CallContext) -> AsyncIterator[Any]:
        async with refusing(context), aclosing(handle(_checked(request), context)) as answers:
            async for answer in answers:
                yield answer

    return handle_parsed


def _of_stream(handle: Callable[[Any, CallContext], Awaitable[Any]]) -> Callable[[Any, CallContext], Awaitable[Any]]:
    async def handle_parsed(stream: AsyncIterator[Any], context: CallContext) -> Any:
        async def parsed() -> AsyncIterator[Any]:
            async for request in stream:
                yield _checked(request)

        return await handle(parsed(), context)

    return handle_parsed
