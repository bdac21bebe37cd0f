"""Limbeck's daemon as the benches start it, and credentials for its clients."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from limbeck_common.security.certificates import new_key, signing_request
from limbeck_common.support.disk import put
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder

LIMBECK_SERVER = ("-m", "limbeck_server.cli.main")


def certify(tls_folder: Path, credentials: Mapping[str, Path]) -> None:
    """Make an authority, and the credentials of each client, by name, in a folder of its own."""
    tls = TlsFolder(tls_folder)
    tls.init(["127.0.0.1"])
    with tls.registry() as registry:
        for name, folder in credentials.items():
            key = new_key()
            certificate = sign_request(tls.ca(), signing_request(key, name), name, "client")
            registry.enter(certificate)
            folder.mkdir(parents=True)
            for file, content in (("key.pem", key), ("certificate.pem", certificate), ("ca.pem", tls.ca().certificate)):
                put(folder / file, content, secret=True)


def everybody(clients: int, rounds: int, tls: Path | None) -> dict[str, Any]:
    """Return the settings of DS-FL on 1,000 open rows and ten classes, each round of which awaits every client.

    `tls` None: plain text.
    """
    transport: dict[str, Any] = {"tls.mode": "off"} if tls is None else {"tls.folder": tls, "tls.enrol_port": 0}
    return {
        **transport,
        "federation.rounds": rounds,
        "method.options.open_per_round": 1000,
        "output.width": 10,
        "lobby.count.min": clients,
        "lobby.count.max": clients,
        "round.count.min": clients,
        "model.name": "none",
    }


@contextmanager
def daemon(
    store: Path,
    settings: Mapping[str, Any],
    program: Sequence[str] = LIMBECK_SERVER,
    log: IO[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a daemon; yields its address and its process, which is killed at the end."""
    flags = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words = [sys.executable, *program, "run", "--port", "0", "--store", str(store), *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if "listening on" not in line:
                why = f"exit status {process.wait()}" if log is None else Path(log.name).read_text()[-2000:]
                raise SystemExit(f"the daemon did not start: {why}")
            yield line.split()[-1], process
        finally:
            process.kill()
