"""Real processes for the tests: a server, clients, and an operator's commands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]  # on the path of what is started, for `support.tiny` and others
TINY = {
    "federation.rounds": "3",
    "method.options.open_per_round": "30",
    "open.source": "support.tiny:data",
    "output.width": "3",
    "lobby.count.min": "3",
    "lobby.count.max": "3",
    "round.count.min": "3",
    "model.name": "none",
}
CLIENTS = ("client-0", "client-1", "client-2")


def flags(settings: dict[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


@dataclass
class Farm:
    """Starts our programs in a folder, and ends them with the test."""

    folder: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, module: str, *arguments: str, cwd: Path | None = None, planted: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        program = ["-m", "support.planted_crashes", *planted, "--", module] if planted else ["-m", module]
        return self.execute(module, [*program, *arguments], cwd)

    def execute(self, name: str, program: Sequence[str], cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start Python on a program; the log is called after `name`."""
        log = (self.folder / f"{len(self.running):03}-{name}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, *program],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        )
        log.close()
        self.running.append(process)
        return process

    def start_server(
        self, *arguments: str, settings: dict[str, str] = TINY, cwd: Path | None = None, planted: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        store = str(self.folder / "store")
        words = ["run", "--port", "0", "--store", store, *flags(settings), *arguments]
        return self.start("limbeck_server.cli.main", *words, cwd=cwd, planted=planted)

    def server(
        self, *arguments: str, settings: dict[str, str] = TINY, cwd: Path | None = None, planted: Sequence[str] = ()
    ) -> tuple[subprocess.Popen[str], str]:
        """Start a server, and return it and its address once it listens."""
        process = self.start_server(*arguments, settings=settings, cwd=cwd, planted=planted)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listening on" in line, self.logs()
        return process, line.split()[-1]

    def client(
        self, name: str, address: str, *arguments: str, cwd: Path | None = None, planted: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Start a client that needs no torch, unless its arguments name another model and data."""
        out = str(self.folder / "models" / name)
        own = arguments or ("--part", name[-1], "--data", "support.tiny:data", "--model", "support.tiny:learner")
        state = str(self.folder / "clients" / name)
        words = ["join", address, "--name", name, "--out", out, "--state", state, *own]
        return self.start("limbeck_client.cli.main", *words, cwd=cwd, planted=planted)

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    def token(self, name: str, *arguments: str) -> str:
        """Make a token, under mTLS, and return the line."""
        made = run("limbeck_server.cli.main", "token", "create", "--tls", str(self.tls), "--name", name, *arguments)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def enroll(self, token: str, name: str) -> subprocess.CompletedProcess[str]:
        return run("limbeck_client.cli.main", "enroll", token, "--credentials", str(self.credentials(name)))

    def credentials(self, name: str) -> Path:
        """Where a client of this farm looks for its credentials."""
        return self.folder / "clients" / name / "credentials"

    def delivered(self, address: str) -> int:
        return sum(client["delivered"] for client in self.status(address)["clients"])

    def members(self, address: str) -> int:
        return len(self.status(address)["clients"])

    def status(self, address: str) -> dict[str, Any]:
        asked = run("limbeck_server.cli.main", "status", "--server", address, "--json", "--tls", str(self.tls))
        assert asked.returncode == 0, asked.stderr
        answer: dict[str, Any] = json.loads(asked.stdout)
        return answer

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def wait(self, process: subprocess.Popen[str], code: int = 0, seconds: float = 90) -> None:
        assert process.wait(seconds) == code, self.logs()


def run(module: str, *arguments: str, cwd: Path | None = None, seconds: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=seconds,
        check=False,
    )


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
