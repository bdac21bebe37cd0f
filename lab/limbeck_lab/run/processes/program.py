"""A process of a lab run, with its log in the run folder."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from limbeck_common.core.errors import SetupError

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_TAIL_LINES = 5


class Program:
    """One process. Its standard error goes to a log file; its standard output is read line by line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls, name: str, module: str, arguments: list[str], log: Path, keep: tuple[int, ...] = ()
    ) -> "Program":
        """Start `python -m module arguments`. The process inherits the file descriptors `keep`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env=_environment(),
                pass_fds=keep,
            )
        return cls(name, process, log)

    async def first_line(self) -> str:
        """Return the first line of its standard output.

        Raises:
            SetupError: the process ended before it wrote one, or wrote none in time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                line = await self._stdout.readline()
                if line:
                    return line.decode().strip()
        raise SetupError(f"{self.name} did not start: {self.last_words()}", remedy=f"see {self.log}")

    async def lines(self) -> AsyncIterator[str]:
        """Yield the remaining lines of its standard output."""
        async for line in self._stdout:
            yield line.decode(errors="replace").rstrip()

    async def finish(self) -> None:
        """Wait until the process has ended.

        Raises:
            SetupError: it ended with an error status.
        """
        await self._process.communicate()
        if self._process.returncode:
            raise SetupError(
                f"{self.name} ended with status {self._process.returncode}: {self.last_words()}",
                remedy=f"see {self.log}",
            )

    async def stop(self) -> None:
        """Ask the process to end, and kill it if it does not."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def last_words(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-_TAIL_LINES:]) or "its log is empty"

    @property
    def _stdout(self) -> asyncio.StreamReader:
        if self._process.stdout is None:
            raise RuntimeError("standard output is always a pipe")
        return self._process.stdout


def cancel_on_sigterm() -> None:
    """Have SIGTERM cancel the current task, so that it stops what it has started."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _environment() -> dict[str, str]:
    """Return our own environment without the server's variables: their settings are in the flags already."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("LIMBECK_") or name == "LIMBECK_DATA"
    }
