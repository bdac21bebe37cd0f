"""A program's commands are imported when they are run, and its mistakes end it with one line and a status."""

import sys

import click
import pytest
from click.testing import CliRunner

from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.support.cli import LazyGroup, dialled, run_async, run_command


@click.command()
@click.option("--many", default=1)
def greet(many: int) -> None:
    """Greet.

    As often as asked.
    """
    click.echo("hello " * many)


LAZY = {"greet": (f"{__name__}:greet", "Greet."), "missing": ("no_such_module:command", "Never imported by help.")}


def group() -> LazyGroup:
    return LazyGroup("demo", lazy=LAZY, help="A demo.", commands=[click.Command("own", help="Known at once.")])


def test_help_lists_all_commands_and_imports_none() -> None:
    said = CliRunner().invoke(group(), ["--help"]).output
    assert [line.split(maxsplit=1) for line in said.split("Commands:\n")[1].splitlines()] == [
        ["greet", "Greet."],
        ["missing", "Never imported by help."],
        ["own", "Known at once."],
    ]
    assert "no_such_module" not in sys.modules


def test_a_command_is_imported_when_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[greet.callback.__module__])  # type: ignore[union-attr]
    assert CliRunner().invoke(group(), ["greet", "--many", "2"]).output == "hello hello \n"
    assert CliRunner().invoke(group(), ["greet", "--many", "x"]).exit_code == 2
    assert group().get_command(click.Context(group()), "other") is None


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            SettingsError("no port", expected="a port", remedy="name one"),
            1,
            "demo: no port; expected a port; name one",
        ),
        (click.UsageError("no such option"), 2, "Error: no such option"),
        (KeyboardInterrupt(), 130, "demo: interrupted"),
        (click.Abort(), 130, "demo: interrupted"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["demo"])
    with pytest.raises(SystemExit) as end:
        run_command(click.Command("demo", callback=fail), "demo")
    assert end.value.code == status
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_command_that_exits_keeps_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["demo"])
    with pytest.raises(SystemExit) as end:
        run_command(click.Command("demo", callback=lambda: sys.exit(3)), "demo")
    assert end.value.code == 3


def test_an_address_on_the_command_line_is_checked_at_once() -> None:
    context, option = click.Context(click.Command("demo")), click.Option(["--server"])
    assert dialled(context, option, " [::1]:5 ") == "[::1]:5"
    assert dialled(context, option, None) is None
    with pytest.raises(LimbeckError, match="expected HOST:PORT"):
        dialled(context, option, "host")


def test_a_coroutine_runs_to_its_end() -> None:
    async def work() -> int:
        return 5

    assert run_async(work()) == 5
