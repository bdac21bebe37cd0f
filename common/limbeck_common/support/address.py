"""HOST:PORT, as a person writes it: to dial, and to listen on."""

import ipaddress
import re

from limbeck_common.core.errors import SettingsError

_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"(\[.+\]|[^:]+):([0-9]{1,5})")
_LAST_PORT = 65535


def read_host(text: str) -> str:
    """Return a host name or address as it is, an IPv6 address without its brackets.

    Raises:
        SettingsError: it is none.
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

    Raises:
        SettingsError: host or port is missing or cannot be one, or an IPv6 address has no brackets.
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
    """Return HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
