"""The programs' logs: structured, one event per line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog


def set_up_unset_logs(level: str) -> None:
    """Do as `set_up_logs` in a program that is not ours, unless it has set up structlog in a way of its own."""
    if not structlog.is_configured():
        set_up_logs(level, "auto")


@contextmanager
def unset_logs_at(level: str) -> Iterator[None]:
    """Do as `set_up_unset_logs` inside the block alone."""
    unset = not structlog.is_configured()
    set_up_unset_logs(level)
    try:
        yield
    finally:
        if unset:
            structlog.reset_defaults()


def set_up_logs(level: str, style: str) -> None:
    """Log to standard error from `level` on, debug, info, warning or error.

    `style` is json, text, or auto: text on a terminal, JSON elsewhere.
    """
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
