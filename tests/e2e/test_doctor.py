"""Both doctors, with real processes: each finding a line, and the exit status."""

import json
import os
import subprocess

import pytest
from support.processes import TESTS, TINY, Farm, flags, run

pytestmark = pytest.mark.e2e
OWN = ("--data", "support.tiny:data", "--model", "support.tiny:learner")


@pytest.fixture(autouse=True)
def tiny_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))


def server_doctor(farm: Farm, port: str, settings: dict[str, str] = TINY) -> subprocess.CompletedProcess[str]:
    store = str(farm.folder / "store")
    return run("limbeck_server.cli.main", "doctor", "--port", port, "--store", store, *flags(settings))


def client_doctor(farm: Farm, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    state = str(farm.folder / "state")
    return run("limbeck_client.cli.main", "doctor", address, "--name", "a", "--state", state, *arguments)


def failures(said: subprocess.CompletedProcess[str]) -> list[str]:
    assert not said.stderr, said.stderr
    found = [line.removeprefix("FAIL  ") for line in said.stdout.splitlines() if line.startswith("FAIL")]
    assert said.returncode == (1 if found else 0), said.stdout
    return found


def test_the_servers_doctor_passes_what_would_run_and_leaves_nothing(farm: Farm) -> None:
    said = server_doctor(farm, "0", TINY | {"model.name": "support.tiny:learner"})
    assert failures(said) == []
    for expected in ("Python 3.", "is free", "method dsfl", "60 rows", "empty, a new federation", "predicts 3 classes"):
        assert expected in said.stdout
    assert not (farm.folder / "store").exists()
    store = ["--port", "0", "--store", str(farm.folder / "store"), *flags(TINY)]
    lines = run("limbeck_server.cli.main", "doctor", "--json", *store).stdout.splitlines()
    assert {json.loads(line)["level"] for line in lines} <= {"OK", "WARN"}
    assert run("limbeck_server.cli.main", "run", "--check", *store).returncode == 0
    wrong = run("limbeck_server.cli.main", "run", "--check", *store, "--set", "model.name=vgg")
    assert wrong.returncode == 1
    assert "FAIL  model vgg: unknown model 'vgg'" in wrong.stdout
    assert not (farm.folder / "store").exists()


def test_the_servers_doctor_names_each_mistake(farm: Farm) -> None:
    _, address = farm.server()
    port = address.rpartition(":")[2]
    found = failures(server_doctor(farm, port, TINY | {"method.name": "fedsgd", "model.name": "vgg"}))
    for expected in ("cannot listen on", "unknown method 'fedsgd'", "another daemon works in", "unknown model 'vgg'"):
        assert any(expected in line and ";" in line for line in found), found


def test_the_servers_doctor_warns_of_more_connections_than_files(farm: Farm) -> None:
    said = server_doctor(farm, "0", TINY | {"limits.connections": "9999999"})
    assert "WARN  up to 9999999 connections" in said.stdout
    assert said.returncode == 0


def test_the_servers_doctor_warns_of_certificates_for_others_where_only_this_machine_can_call(farm: Farm) -> None:
    tls = str(farm.folder / "tls")
    assert run("limbeck_server.cli.main", "init", "--tls", tls, "--host", "federation.example").returncode == 0
    settings = TINY | {"tls.folder": tls}
    said = server_doctor(farm, "0", settings)
    assert "WARN  the certificates are for federation.example, " in said.stdout
    assert "only this machine can reach 127.0.0.1; listen on every network with --host 0.0.0.0" in said.stdout
    assert failures(said) == []
    assert "WARN  the certificates" not in server_doctor(farm, "0", settings | {"listen.host": "0.0.0.0"}).stdout  # noqa: S104


def test_the_servers_doctor_knows_a_store_of_other_settings(farm: Farm) -> None:
    server, _ = farm.server()
    server.terminate()
    farm.wait(server)
    assert "a federation to go on with" in server_doctor(farm, "0").stdout
    (found,) = failures(server_doctor(farm, "0", TINY | {"federation.rounds": "5"}))
    assert "holds the journal of a federation with other settings: rounds was 3 and is now 5; expected" in found


def test_the_clients_doctor_passes_what_would_join_and_becomes_no_member(farm: Farm) -> None:
    _, address = farm.server()
    said = client_doctor(farm, address, *OWN, "--part", "0")
    assert failures(said) == []
    for expected in ("protocol version 1", "clock: ", "40 private rows", "the federation's, digest", "3 classes"):
        assert expected in said.stdout
    assert farm.members(address) == 0
    assert not (farm.folder / "state").exists()


def test_the_clients_doctor_names_each_mistake(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    (farm.folder / "odd.py").write_text(
        "from support import tiny\nfrom dataclasses import replace\n"
        "def data(part, seed):\n"
        "    found = tiny.data(part, seed)\n"
        "    return replace(found, open=found.open[::-1])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(farm.folder), prepend=os.pathsep)
    _, address = farm.server()
    found = failures(client_doctor(farm, address, "--data", "odd:data", "--model", "vgg", "--part", "0"))
    assert len(found) == 2 + ("torch" in found[0])
    assert any(line.startswith("open data: digest") and "same order" in line for line in found)
    assert any("unknown model 'vgg'" in line for line in found)
    (found_one,) = failures(client_doctor(farm, address, *OWN))
    assert "the data has no private rows" in found_one


def test_the_clients_doctor_says_that_no_server_answers(farm: Farm) -> None:
    (found,) = failures(client_doctor(farm, "127.0.0.1:9", *OWN, "--part", "0"))
    assert found.startswith("server: no answer from 127.0.0.1:9")
