"""The program's help, and what its commands turn options into."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from limbeck_common.core.errors import SettingsError
from limbeck_common.support.cli import LazyGroup
from limbeck_lab.cli.main import cli
from limbeck_lab.cli.options import base_settings


def group() -> LazyGroup:
    assert isinstance(cli, LazyGroup)
    return cli


@pytest.mark.parametrize("name", sorted(group().lazy))
def test_each_line_of_help_is_the_commands_own(name: str) -> None:
    command = group().get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert group().lazy[name][1] == command.get_short_help_str(limit=80)


def test_help_names_every_command_in_a_line() -> None:
    done = CliRunner().invoke(cli, ["--help"])
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]] == [
        "compare",
        "conformance",
        "demo",
        "init",
        "report",
        "simulate",
    ]


@pytest.mark.parametrize("name", sorted(group().lazy))
def test_each_command_has_help(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "-h"])
    assert done.exit_code == 0
    assert group().lazy[name][1] in " ".join(done.output.split())


def given(**options: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("dataset", "partition", "alpha", "rounds", "data_dir", "seed", "config"))
    return {**empty, "pairs": (), **options}


def test_options_become_settings_and_set_overrides_them() -> None:
    options = given(rounds=3, seed=7, alpha=0.1, pairs=("recipe.fit.momentum=0.5", "federation.seed=8"))
    settings = base_settings(options, 4).load(Path("somewhere"))
    assert settings.federation.rounds == 3
    assert settings.federation.seed == 8
    assert settings.data.alpha == 0.1
    assert settings.recipe.fit.momentum == 0.5
    assert settings.data.parts == settings.lobby.count.min == settings.lobby.count.max == 4
    assert settings.store.path == Path("somewhere/store")


def test_a_configuration_stands_in_for_the_demos_settings(tmp_path: Path) -> None:
    config = tmp_path / "federation.toml"
    config.write_text("[recipe.fit]\nbatch_size = 33\n")
    settings = base_settings(given(config=config, rounds=2), 2).load(Path())
    assert (settings.recipe.fit.batch_size, settings.federation.rounds) == (33, 2)


def test_a_set_without_a_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="KEY=VALUE"):
        base_settings(given(pairs=("rounds",)), 2)
