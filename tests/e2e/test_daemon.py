"""The daemon's life with real processes: killed, parked, watched, stopped."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from support.processes import CLIENTS, Farm, flags, run, until

from limbeck_common.support.cli import ENDED_STATUS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
ELSEWHERE = {  # open data that the clients alone have
    "model.name": "none",
    "open.digest": "a" * 64,
    "open.rows": "60",
    "open.sample_shape": "[6]",
    "output.width": "3",
}


def test_a_killed_server_goes_on_where_it_was_and_the_clients_wait_for_it(farm: Farm) -> None:
    server, address = farm.server()
    late = farm.client("client-2", address)
    until(lambda: farm.members(address) == 1)
    late.send_signal(signal.SIGSTOP)  # the round cannot close: quorum is three
    clients = [farm.client(name, address) for name in ("client-0", "client-1")]
    until(lambda: farm.delivered(address) == 2)
    server.kill()
    server.wait()
    late.send_signal(signal.SIGCONT)
    port = address.rpartition(":")[2]
    again, _ = farm.server("--port", port)
    for process in (*clients, late, again):
        farm.wait(process)
    assert farm.logs().count('"event": "recovered"') == 1


def test_sigterm_parks_the_round_and_says_so(farm: Farm) -> None:
    server, address = farm.server()
    farm.client("client-0", address)
    until(lambda: farm.members(address) == 1)
    server.send_signal(signal.SIGTERM)
    farm.wait(server, 0, 20)
    assert '"event": "parked"' in farm.logs()


def test_status_and_watch_show_the_federation_and_stop_ends_it(farm: Farm) -> None:
    server, address = farm.server()
    clients = [farm.client(name, address) for name in ("client-0", "client-1")]
    until(lambda: farm.members(address) == 2)
    shown = run("limbeck_server.cli.main", "status", "--server", address)
    assert "lobby, round 0 of 3" in shown.stdout
    assert "client-0" in shown.stdout
    assert re.search(r"waits for clients for round 1: 2 of at least 3 present; at .* federation fails", shown.stdout)
    assert run("limbeck_server.cli.main", "pause", "--server", address).stdout == "paused\n"
    assert farm.status(address)["paused"]
    assert run("limbeck_server.cli.main", "resume", "--server", address).returncode == 0
    assert run("limbeck_server.cli.main", "evict", "nobody", "--server", address).returncode == 1
    assert run("limbeck_server.cli.main", "evict", "client-1", "--server", address).returncode == 0
    farm.wait(clients.pop(), ENDED_STATUS, 20)
    assert "client-1 was evicted; ask the operator" in farm.logs()
    watching = farm.start("limbeck_server.cli.main", "watch", "--json", "--server", address)
    assert watching.stdout is not None
    first = watching.stdout.readline()
    assert run("limbeck_server.cli.main", "stop", "--reason", "enough seen", "--server", address).returncode == 0
    farm.wait(server, 0, 40)
    seen, _ = watching.communicate(timeout=20)
    events = [json.loads(line) for line in (first + seen).splitlines()]
    assert events[0]["kind"] == "founded"
    assert events[-1]["text"] == "stopped: enough seen"
    for client in clients:
        farm.wait(client, ENDED_STATUS, 20)
    assert "the federation stopped: enough seen" in farm.logs()


def test_a_client_killed_for_good_does_not_stall_the_round(farm: Farm) -> None:
    server, address = farm.server("--set", "round.count.min=2", "--set", "round.grace=3", "--set", "round.time.max=120")
    gone = farm.client("client-2", address)
    until(lambda: farm.members(address) == 1)
    gone.send_signal(signal.SIGSTOP)
    clients = [farm.client(name, address) for name in CLIENTS[:2]]
    until(lambda: farm.status(address)["phase"] == "collecting")
    gone.kill()
    for process in (*clients, server):
        farm.wait(process)


def test_other_settings_on_an_old_journal_are_refused(farm: Farm) -> None:
    server, _ = farm.server()
    server.send_signal(signal.SIGTERM)
    farm.wait(server, 0, 20)
    store = str(farm.folder / "store")
    other = run("limbeck_server.cli.main", "run", "--port", "0", "--store", store, "--set", "federation.seed=7")
    assert other.returncode == 1
    assert "holds the journal of a federation with other settings" in other.stderr
    assert "Traceback" not in other.stderr


def test_other_open_data_on_an_old_journal_are_refused_even_where_the_settings_are_the_same(farm: Farm) -> None:
    server, _ = farm.server(settings=ELSEWHERE)
    server.send_signal(signal.SIGTERM)
    farm.wait(server, 0, 20)
    other = flags(ELSEWHERE | {"open.digest": "b" * 64})
    store = str(farm.folder / "store")
    for program in ("run", "doctor"):
        refused = run("limbeck_server.cli.main", program, "--port", "0", "--store", store, *other)
        assert refused.returncode == 1
        assert "with other open data" in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stderr
    again = run("limbeck_server.cli.main", "doctor", "--port", "0", "--store", store, *flags(ELSEWHERE))
    assert "a federation to go on with" in again.stdout


def test_ctrl_c_reaches_the_daemon_and_not_its_worker(farm: Farm) -> None:
    """On a terminal Ctrl-C goes to the whole group of processes; the worker is not of it, and ends with its daemon."""
    own = {"data.parts": "3", "data.open": "200", "model.name": "forest", "lobby.count.min": "1"}
    server, _ = farm.server(settings=own)
    (worker,) = psutil.Process(server.pid).children()
    assert os.getpgid(worker.pid) != os.getpgid(server.pid)
    server.send_signal(signal.SIGINT)
    farm.wait(server, 0, 20)
    worker.wait(20)
    assert '"event": "parked"' in farm.logs()
    assert "Traceback" not in farm.logs()


@pytest.mark.parametrize("where", ["/dev/null/x", "a-file"])
def test_a_store_that_cannot_be_used_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "a-file").touch()
    done = run("limbeck_server.cli.main", "run", "--port", "0", "--store", where, *flags(ELSEWHERE), cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"limbeck-server: {where} cannot be used: ")


def test_a_port_in_use_is_named(farm: Farm) -> None:
    server, address = farm.server()
    port = address.rpartition(":")[2]
    second = subprocess.run(
        [*server.args[:3], "run", "--port", port, "--store", str(farm.folder / "other")],  # type: ignore[index]
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr
