"""A federation under mTLS with real processes: enrolled by tokens, and closed to everybody else."""

import json
import re
import socket

import pytest
from support.processes import CLIENTS, TINY, Farm, run, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def secured(farm: Farm) -> Farm:
    made = run("limbeck_server.cli.main", "init", "--tls", str(farm.tls))
    assert made.returncode == 0, made.stderr
    return farm


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def said(stderr: str) -> str:
    """Return the one line that is not a log entry."""
    (line,) = [line for line in stderr.splitlines() if not line.startswith("{")]
    return line


def test_enrolled_clients_run_a_federation_to_its_end(secured: Farm) -> None:
    server, address = secured.server("--tls", str(secured.tls))
    for name in CLIENTS[:2]:
        done = secured.enroll(secured.token(name), name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"client {name}: credentials in ")
    token = secured.folder / "token"
    token.write_text(secured.token(CLIENTS[2]))
    processes = [secured.client(name, address) for name in CLIENTS[:2]]
    own = ("--part", "2", "--data", "support.tiny:data", "--model", "support.tiny:learner", "--token-file", str(token))
    processes.append(secured.client(CLIENTS[2], address, *own))
    for process in (*processes, server):
        secured.wait(process)
    aggregated = [json.loads(line) for line in secured.logs().splitlines() if '"event": "aggregated"' in line]
    assert len(aggregated) == 3


def test_a_client_waits_for_a_server_that_is_away_when_it_enrols(secured: Farm) -> None:
    port, enrol_port = free_port(), free_port()
    token = secured.folder / "token"
    token.write_text(secured.token(CLIENTS[0], "--address", f"127.0.0.1:{enrol_port}"))
    own = ("--part", "0", "--data", "support.tiny:data", "--model", "support.tiny:learner", "--token-file", str(token))
    client = secured.client(CLIENTS[0], f"127.0.0.1:{port}", *own)
    until(lambda: "trying again" in secured.logs())
    assert f"no answer from 127.0.0.1:{enrol_port}" in secured.logs()
    alone = {"lobby.count.min": "1", "lobby.count.max": "1", "round.count.min": "1"}
    ports = ["--port", str(port), "--set", f"tls.enrol_port={enrol_port}"]
    server, _ = secured.server("--tls", str(secured.tls), *ports, settings=TINY | alone)
    secured.wait(client)
    secured.wait(server)


def test_everybody_else_is_refused_with_a_reason(secured: Farm) -> None:
    _, address = secured.server("--tls", str(secured.tls))
    token = secured.token("edge-1")
    assert secured.enroll(token, "edge-1").returncode == 0

    stolen = secured.enroll(token, "thief")
    assert stolen.returncode == 1
    assert said(stolen.stderr).startswith("limbeck-client: the token for edge-1 was used before")
    late = secured.enroll(secured.token("edge-2", "--expires", "0s"), "edge-2")
    assert late.returncode == 1
    assert said(late.stderr).startswith("limbeck-client: the token for edge-2 has expired")

    mine = ["--credentials", str(secured.credentials("edge-1"))]
    posing = run("limbeck_server.cli.main", "stop", "--server", address, *mine)
    assert posing.returncode == 1
    assert said(posing.stderr).startswith("limbeck-server: edge-1 is a client; expected an operator for this call")
    join = ["limbeck_client.cli.main", "join", address, "--part", "0", "--data", "support.processes:nothing", *mine]
    other = run(*join, "--name", "edge-2")
    assert other.returncode == 1
    assert re.search("the credentials in .* are those of edge-1; expected edge-2's", said(other.stderr))

    revoked = run("limbeck_server.cli.main", "revoke", "edge-1", "--tls", str(secured.tls))
    assert revoked.stdout == "edge-1: revoked 1 certificate(s), cancelled 0 token(s)\n"
    gone = run(*join, "--name", "edge-1")
    assert gone.returncode == 1
    assert said(gone.stderr).startswith("limbeck-client: the certificate of edge-1 was revoked")
    plain = run("limbeck_server.cli.main", "status", "--server", address, "--insecure")
    assert plain.returncode == 1
    assert '"event": "insecure: traffic is plain text' in plain.stderr
    assert secured.status(address)["clients"] == []


def test_a_revoked_member_ends_and_says_why(secured: Farm) -> None:
    _, address = secured.server("--tls", str(secured.tls))
    assert secured.enroll(secured.token(CLIENTS[0]), CLIENTS[0]).returncode == 0
    client = secured.client(CLIENTS[0], address)
    until(lambda: secured.members(address) == 1)
    assert run("limbeck_server.cli.main", "revoke", CLIENTS[0], "--tls", str(secured.tls)).returncode == 0
    secured.wait(client, 1)
    assert f"limbeck-client: the certificate of {CLIENTS[0]} was revoked" in secured.logs()

    def status() -> str:
        (shown,) = secured.status(address)["clients"]
        return str(shown["status"])

    until(lambda: status() == "revoked")
    assert secured.enroll(secured.token(CLIENTS[0]), CLIENTS[0]).returncode == 0
    secured.client(CLIENTS[0], address)
    until(lambda: status() == "waiting")


def test_a_rotated_server_is_trusted_by_those_enrolled_before(secured: Farm) -> None:
    server, address = secured.server("--tls", str(secured.tls))
    server.terminate()
    secured.wait(server)
    before = (secured.tls / "server.pem").read_text()
    assert run("limbeck_server.cli.main", "rotate", "--tls", str(secured.tls)).returncode == 0
    assert (secured.tls / "server.pem").read_text() != before
    secured.server("--tls", str(secured.tls), "--port", address.rpartition(":")[2])
    assert secured.status(address)["phase"] == "lobby"


def test_insecure_says_so_at_every_start(secured: Farm) -> None:
    for number in (1, 2):
        server, _ = secured.server("--tls", str(secured.tls), "--host", "0.0.0.0", "--insecure")  # noqa: S104
        server.terminate()
        secured.wait(server)
        assert secured.logs().count('"event": "insecure: plain text') == number


def test_init_on_a_folder_that_has_been_changes_nothing(secured: Farm) -> None:
    before = (secured.tls / "ca.pem").read_text()
    again = run(
        "limbeck_server.cli.main", "init", "--tls", str(secured.tls), "--client", "a", "--tokens", str(secured.folder)
    )
    assert again.returncode == 0
    assert "is initialised already" in again.stdout
    assert (secured.tls / "ca.pem").read_text() == before
    assert (secured.folder / "a").read_text().startswith("limbeck1.")
    asked = ["--host", "localhost", "--host", "other.example"]
    other = run("limbeck_server.cli.main", "init", "--tls", str(secured.tls), *asked, "--client", "b")
    assert other.returncode == 1
    assert re.search(r"is not for other\.example; .*limbeck-server rotate .*--host other\.example`", said(other.stderr))
    assert other.stdout == ""
