"""The systemd units against our own programs and settings; no systemd needed."""

import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import pytest

from limbeck_client.cli.main import cli as client_cli
from limbeck_common.support.cli import ENDED_STATUS
from limbeck_common.wire.credentials import is_loopback
from limbeck_server.cli.main import cli as server_cli
from limbeck_server.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVER, CLIENT = "limbeck-server.service", "limbeck-client@.service"
PROGRAMS = {"limbeck-server": server_cli, "limbeck-client": client_cli}
VARIABLES = {
    "$HOSTS": "--host=federation.example.org",
    "${STATE_DIRECTORY}": "/var/lib/limbeck",
    "$SERVER": "federation.example.org:50051",
    "%i": "ward-7",
    "$MODEL": "cnn",
    "${CREDENTIALS_DIRECTORY}": "/run/credentials",
    "$OPTIONS": "--part 0",
}


def unit(name: str) -> dict[str, list[str]]:
    """A unit's keys, each with its values in order."""
    found = defaultdict(list)
    for line in (DEPLOY / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


def parse(line: str) -> tuple[str, dict[str, Any]]:
    """Have the program's own command line read a unit's, without running it."""
    for variable, value in VARIABLES.items():
        line = line.replace(variable, value)
    program, name, *arguments = shlex.split(line.removeprefix("-"))
    group = PROGRAMS[Path(program).name]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return name, command.make_context(name, arguments).params


def test_the_programs_understand_their_command_lines() -> None:
    server, client = unit(SERVER), unit(CLIENT)
    assert parse(server["ExecStartPre"][0])[1]["hosts"] == ("federation.example.org",)
    assert parse(server["ExecStart"][0])[1]["store"] == "/var/lib/limbeck/journal"
    command, join = parse(client["ExecStart"][0])
    assert (command, join["name"], join["part"]) == ("join", "ward-7", 0)
    assert join["token_file"] == Path("/run/credentials/token")


def test_clients_can_reach_a_server_that_was_set_up_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    for pair in " ".join(unit(SERVER)["Environment"]).split():
        monkeypatch.setenv(*pair.split("=", 1))
    host = load(DEPLOY / "federation.toml", {}).listen.host
    assert not is_loopback(host)


@pytest.mark.parametrize("name", [SERVER, CLIENT])
def test_a_unit_outlasts_an_outage_and_rests_when_the_federation_has_ended(name: str) -> None:
    found = unit(name)
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == [str(ENDED_STATUS)]
