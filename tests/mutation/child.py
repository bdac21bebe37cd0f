"""One run of pytest in a forked process: heavy libraries are loaded before the fork, our own modules after it."""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from mutation.core import ROOT

_HEAVY = (  # loaded once, so that no child has to
    "cryptography.x509",
    "google.protobuf.message",
    "grpc.aio",
    "grpc_health.v1.health",
    "grpc_status.rpc_status",
    "hypothesis.strategies",
    "jinja2",
    "jsonschema",
    "numpy",
    "pydantic",
    "safetensors.numpy",
    "sklearn.linear_model",
    "sqlalchemy",
    "structlog",
    "torch",
    "torchvision",
)
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: pytest's exit status, the test that failed, and whether it failed by running out of time."""

    status: int
    failed: str = ""
    hung: bool = False
    seconds: float = 0.0


class Child:
    """A running child. `connection` is readable once it has ended."""

    def __init__(self, work: Callable[[], Outcome], limit: float) -> None:
        self.connection, theirs = _FORK.Pipe(duplex=False)
        self._begun = time.monotonic()
        self._deadline = self._begun + limit
        self._folder = Path(tempfile.mkdtemp(prefix="mutation-"))
        self._folder.chmod(0o755)  # some tests become another user, who must get in
        self._process = _FORK.Process(target=_main, args=(work, theirs, self._folder))
        self._process.start()
        theirs.close()

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def finish(self) -> Outcome:
        """Return the outcome of a child that has ended, or whose time is over."""
        try:
            outcome = self.connection.recv() if self.connection.poll() else Outcome(1, "over the time limit", hung=True)
        except EOFError:  # the change crashed the interpreter
            outcome = Outcome(1, "crash")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.join()
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        return Outcome(outcome.status, outcome.failed, outcome.hung, time.monotonic() - self._begun)


def preload() -> None:
    """Load the libraries that the tests need, but none of the modules that are mutated."""
    sys.path.insert(0, str(ROOT / "tests"))
    for name in _HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _main(work: Callable[[], Outcome], connection: Connection, folder: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()  # so that the processes which a test has started end with it
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "repeatable"
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)
    with (folder / "output").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    connection.send(work())
    os._exit(0)  # whatever threads a test may have left
