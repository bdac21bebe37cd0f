"""What a program's help says of a command without importing it is what the command says of itself."""

import subprocess
import sys

import click
import pytest

from limbeck_client.cli.main import cli as client
from limbeck_common.support.cli import LazyGroup
from limbeck_server.cli.main import cli as server


def commands() -> list[tuple[LazyGroup, str]]:
    groups = [group for group in (client, server) if isinstance(group, LazyGroup)]
    assert len(groups) == 2
    return [(group, name) for group in groups for name in group.lazy]


@pytest.mark.parametrize(("group", "name"), commands(), ids=lambda each: getattr(each, "name", each))
def test_a_lazy_line_of_help_is_the_commands_own(group: LazyGroup, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert group.lazy[name][1] == command.get_short_help_str(limit=80)


def test_an_unknown_command_is_a_mistake_with_a_hint() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "limbeck_server.cli.main", "statsu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'statsu'" in done.stderr
