"""What the three console programs share: commands imported when they are run, one line for a mistake, an event loop."""

import asyncio
import importlib
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import click

from limbeck_common.core.errors import LimbeckError
from limbeck_common.support.address import read_address

AS_JSON = click.option("--json", "json", is_flag=True, help="Print one JSON object per line.")
_SITE = "https://limbeck.github.io/limbeck/"
ENDED_STATUS = 3  # exit status: the federation has failed or was stopped, and starting again does not help

_Result = TypeVar("_Result")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run, so that its own help answers at once.

    `lazy` maps the name of each command to its place, `package.module:attribute`, and its line of help, which is the
    first sentence of the command's own.

    >>> group = LazyGroup("demo", lazy={"join": ("limbeck_client.cli.join:join", "Join a federation.")})
    >>> group.list_commands(click.Context(group))
    ['join']
    """

    def __init__(self, *arguments: Any, lazy: Mapping[str, tuple[str, str]], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it; None if there is none of that name."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their lines of help, without importing them."""
        rows = [(name, self._line(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _line(self, ctx: click.Context, name: str) -> str:
        if name in self.lazy:
            return self.lazy[name][1]
        command = super().get_command(ctx, name)
        return command.get_short_help_str(limit=80) if command else ""


def run_command(command: click.Command, program: str) -> None:
    """Run a console program. A mistake ends it with one line on standard error and status 1, Ctrl-C with status 130."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # mistakes that a person can mend are reported below, in one line
    try:
        sys.exit(command.main(prog_name=program, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LimbeckError as error:
        click.echo(f"{program}: {error}{see(error)}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{program}: interrupted", err=True)
        sys.exit(130)


def see(error: LimbeckError) -> str:
    """Return where an error is explained, as the end of its line; empty where no page says more.

    >>> see(LimbeckError("the page says no more"))
    ''
    """
    page, _, anchor = error.page.partition("#")
    address = f"{_SITE}{page.removesuffix('.md').removesuffix('index')}/".replace("//", "/").replace(":/", "://")
    return f"; see {address}{'#' * bool(anchor)}{anchor}" if page else ""


def dialled(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Check an address on a command line, as click's callback; SettingsError for what is not HOST:PORT."""
    return None if text is None else read_address(text)


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end, on uvloop if it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.run(work)
    result: _Result = uvloop.run(work)
    return result
