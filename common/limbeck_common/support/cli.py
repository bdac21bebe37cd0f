"""What the three console programs share: one line for a mistake, structured logs, a fast event loop."""

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import click
import structlog

from limbeck_common.core.errors import LimbeckError
from limbeck_common.support.address import read_address

ENDED_STATUS = 3  # the federation has failed or was stopped: starting the program again does not help

_Result = TypeVar("_Result")


class LazyGroup(click.Group):
    """A group whose commands are imported when one is run, so that the group's own help answers at once.

    `lazy` maps each command's name to where it is, `package.module:attribute`, and its one line of help.

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
        """Return a command, imported now; None where there is none of that name."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their lines of help, importing none of them."""
        rows = [(name, self._line(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _line(self, ctx: click.Context, name: str) -> str:
        if name in self.lazy:
            return self.lazy[name][1]
        command = super().get_command(ctx, name)
        return command.get_short_help_str(limit=80) if command else ""


def run_command(command: click.Command, program: str) -> None:
    """Run a console program. A mistake ends it with one line on standard error and status 1; Ctrl-C with 130."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what a person can mend we say ourselves, in one line
    try:
        sys.exit(command.main(prog_name=program, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LimbeckError as error:
        click.echo(f"{program}: {error}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{program}: interrupted", err=True)
        sys.exit(130)


def dialled(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Return an address that is to be dialled as it stands in a command; SettingsError for what is none."""
    return None if text is None else read_address(text)


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end, on uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.run(work)
    result: _Result = uvloop.run(work)
    return result


def set_up_logs(level: str, style: str) -> None:
    """Log to standard error: `style` is json, text, or auto (text on a terminal)."""
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if text else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
