"""What the three console programs share: one line for a mistake, structured logs, a fast event loop."""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import structlog

from limbeck_common.core.errors import LimbeckError
from limbeck_common.support.address import read_address

_Result = TypeVar("_Result")


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
