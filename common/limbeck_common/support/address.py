"""Network addresses as people write them: HOST:PORT to dial, HOST to listen on."""

import ipaddress
import re

from limbeck_common.core.errors import SettingsError

_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"(\[.+\]|[^:]+):([0-9]{1,5})")
_LAST_PORT = 65535


def read_host(text: str) -> str:
    """Return a host name or address, an IPv6 address without brackets.

    >>> read_host("[::1]")
    '::1'

    Raises:
        SettingsError: the text is neither.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if _HOST.fullmatch(text):
            return text
    raise SettingsError(f"host {text!r}", expected="a host name or an address, without a port")


def read_address(text: str) -> str:
    """Return HOST:PORT as gRPC dials it.

    >>> read_address(" server.example.org:50051 ")
    'server.example.org:50051'

    Raises:
        SettingsError: the host or the port is missing or impossible, or an IPv6 address has no brackets.
    """
    found = _ADDRESS.fullmatch(text.strip())
    try:
        if found is None or not 1 <= int(found[2]) <= _LAST_PORT:
            raise ValueError(text)
        return with_port(read_host(found[1]), int(found[2]))
    except (SettingsError, ValueError) as error:
        raise SettingsError(
            f"address {text!r}",
            expected="HOST:PORT, e.g. server.example.org:50051, an IPv6 address in brackets, [::1]:50051",
        ) from error


def with_port(host: str, port: int) -> str:
    """Return HOST:PORT, with brackets around an IPv6 address.

    >>> with_port("::1", 50051)
    '[::1]:50051'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
