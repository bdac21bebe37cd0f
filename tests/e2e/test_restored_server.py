"""A server restored from a backup: the clients that were ahead of it go on with it, to the federation's end."""

import re

import pytest
from support.processes import TINY, Farm, run, until

pytestmark = pytest.mark.e2e

ALONE = TINY | {"lobby.count.min": "1", "lobby.count.max": "1", "round.count.min": "1"}
OWN = ("--part", "0", "--data", "support.tiny:data", "--model", "support.tiny:learner", "--review")


def held(farm: Farm) -> list[str]:
    return re.findall(r'"round": (\d+), .*"held until its owner approves"', farm.logs())


def test_a_client_that_is_ahead_of_a_restored_server_goes_on_with_it(farm: Farm) -> None:
    state, backup, restored = (str(farm.folder / name) for name in ("clients/client-0", "backup", "restored"))
    server, address = farm.server(settings=ALONE)
    client = farm.client("client-0", address, *OWN)
    for number in (1, 2):
        until(lambda number=number: held(farm) == [str(each) for each in range(1, number + 1)])
        if number == 2:
            copied = run("limbeck_server.cli.main", "backup", "--store", str(farm.folder / "store"), backup)
            assert copied.returncode == 0, copied.stderr
        assert run("limbeck_client.cli.main", "approve", state).returncode == 0
    until(lambda: held(farm) == ["1", "2", "3"])  # two rounds have left, and the backup knows of one
    server.kill()
    farm.wait(server, -9)
    done = run("limbeck_server.cli.main", "restore", backup, "--store", restored)
    assert done.returncode == 0, done.stderr
    port = address.rpartition(":")[2]
    server = farm.start_server("--store", restored, "--port", port, settings=ALONE)
    until(lambda: held(farm) == ["1", "2", "3", "2"])
    assert "the server was restored from a backup: rounds are counted from its round on" in farm.logs()
    assert run("limbeck_client.cli.main", "approve", "--all", state).returncode == 0
    farm.wait(client)
    farm.wait(server)
    released = run("limbeck_client.cli.main", "ledger", state).stdout
    assert re.findall(r"round +(\d+)(, epoch 2)?", released) == [
        ("1", ""),
        ("2", ""),
        ("2", ", epoch 2"),
        ("3", ", epoch 2"),
        ("4", ", epoch 2"),
    ]
