"""HOST:PORT is read as people write it, and refused at once where it cannot be one."""

import pytest

from limbeck_common.core.errors import SettingsError
from limbeck_common.support.address import read_address, read_host, with_port


@pytest.mark.parametrize(
    ("text", "dialled"),
    [
        ("server.example.org:50051", "server.example.org:50051"),
        (" localhost:1 ", "localhost:1"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
        ("[::1]:50051", "[::1]:50051"),
        ("my_host-2:80", "my_host-2:80"),
    ],
)
def test_an_address_is_taken(text: str, dialled: str) -> None:
    assert read_address(text) == dialled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo",
        "host:",
        ":5",
        "host:0",
        "host:65536",
        "host:5x",
        "::1:50051",
        "[::1]",
        "[host]:5",
        "http://h:1",
        "a b:1",
    ],
)
def test_what_is_no_address_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(SettingsError, match="expected HOST:PORT, "):
        read_address(text)


def test_a_host_to_listen_on_may_have_brackets_or_not() -> None:
    assert read_host("::1") == read_host("[::1]") == "::1"
    assert with_port(read_host("[::1]"), 5) == "[::1]:5"
    assert with_port(read_host("0.0.0.0"), 5) == "0.0.0.0:5"  # noqa: S104 - as text
    for text in ("", "host:5", "[host]", "a b"):
        with pytest.raises(SettingsError, match="expected a host name or an address"):
            read_host(text)
