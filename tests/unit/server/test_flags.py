"""Settings survive their way through a command line."""

from pathlib import Path

from limbeck_server.settings import Settings, load, read_pairs
from limbeck_server.settings.flags import as_flags, as_pairs


def test_nested_settings_have_dotted_keys_and_toml_values() -> None:
    tree = {"a": {"b": {"c": "text"}, "list": [1, 2]}, "yes": True, "none": None, "path": Path("x")}
    assert as_pairs(tree) == {"a.b.c": '"text"', "a.list": "[1, 2]", "yes": "true", "path": '"x"'}


def test_a_servers_settings_are_read_back_as_they_were() -> None:
    given = load(None, {"federation.rounds": "3", "method.name": "cfd", "method.options.bits": "1", "listen.port": "0"})
    flags = as_flags(given.model_dump(mode="json"))
    assert flags[::2] == ["--set"] * (len(flags) // 2)
    assert load(None, read_pairs(flags[1::2])) == given
    assert given != Settings()
