"""The daemon's life with real processes: killed, parked, watched, stopped."""

import json
import signal
import subprocess

import pytest
from farm import CLIENTS, Farm, run, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


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
    shown = run("limbeck_server.cli", "status", "--server", address)
    assert "lobby, round 0 of 3" in shown.stdout
    assert "client-0" in shown.stdout
    assert run("limbeck_server.cli", "pause", "--server", address).stdout == "paused\n"
    assert farm.status(address)["paused"]
    assert run("limbeck_server.cli", "resume", "--server", address).returncode == 0
    assert run("limbeck_server.cli", "evict", "nobody", "--server", address).returncode == 1
    watching = farm.start("limbeck_server.cli", "watch", "--json", "--server", address)
    assert watching.stdout is not None
    first = watching.stdout.readline()
    assert run("limbeck_server.cli", "stop", "--reason", "enough seen", "--server", address).returncode == 0
    farm.wait(server, 0, 40)
    told, _ = watching.communicate(timeout=20)
    events = [json.loads(line) for line in (first + told).splitlines()]
    assert events[0]["kind"] == "founded"
    assert events[-1]["text"] == "stopped: enough seen"
    for client in clients:
        farm.wait(client, 1, 20)
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
    other = run("limbeck_server.cli", "run", "--port", "0", "--store", store, "--set", "federation.seed=7")
    assert other.returncode == 1
    assert "holds the journal of a federation with other settings" in other.stderr
    assert "Traceback" not in other.stderr


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
