"""A person's mistakes: each ends with one clear line and a status other than zero."""

import re
from pathlib import Path

import pytest
from support.processes import Farm, run

from limbeck_common.support.disk import take

pytestmark = pytest.mark.e2e

OWN = """
import torch
from torch import nn
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.registry import load_participant

def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
    def forward(self, x):
        if self.training:
            raise RuntimeError("the weights\\nare cursed")
        return self.layer(x.flatten(1))

def shuffled(part):
    data = load_participant(DataSpec(open=200, parts=3), 0, 0)
    return ParticipantData(private=data.private, open=data.open[::-1], test=data.test)

def stretched(part):
    data = load_participant(DataSpec(open=200, parts=3), 0, 0)
    return ParticipantData(private=type(data.private)(data.private.x.astype("float32"), data.private.y))
"""


DIGITS = {"data.parts": "3", "data.open": "200", "model.name": "none"}


def one_line(stderr: str) -> str:
    """Return the last line of what a program said, which must be all that is not a log entry."""
    lines = [line for line in stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "method.name=fedsgd"], "unknown method 'fedsgd'; expected one of .*dsfl"),
        (["--set", "method.options.temprature=1"], "option 'temprature'"),
        (["--set", "round.tim.max=3"], "unknown setting round.tim.*did you mean 'time'"),
        (["--set", "federation.rounds=many"], "setting federation.rounds: .*'many'"),
        (["--set", "model.name=vgg"], "unknown model 'vgg'; expected one of cnn"),
        (["--set", "data.dataset=own"], "no open data"),
        (["--set", "open.source=nowhere:data"], "cannot load 'nowhere:data'"),
        (["--set", "data.private=9999"], "too few rows"),
        (["--set", f"open.digest={'a' * 64}"], "setting open: digest needs rows and sample_shape"),
        (["--host", "host:5"], "setting listen.host: .*without a port, got 'host:5'"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--host", "203.0.113.1", "--insecure"], "cannot listen on 203.0.113.1"),
        (
            ["--host", "198.51.100.1"],
            "plain text on 198.51.100.1: limbeck-tls has no cert.*; expected TLS .*insecure",
        ),
        (["--host", "198.51.100.1", "--set", "tls.mode=off"], "plain text on 198.51.100.1: tls.mode is off"),
    ],
)
def test_a_server_with_a_mistake_says_which(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run("limbeck_server.cli.main", "run", "--port", "0", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(said, one_line(done.stderr))


def test_a_toml_file_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[round]\nquorum = 3\n")
    done = run("limbeck_server.cli.main", "run", "--config", "f.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("limbeck-server: unknown setting round.quorum in f.toml; expected one of")


def test_an_address_that_is_none_is_refused_at_once_by_every_program(tmp_path: Path) -> None:
    for command in (
        ["limbeck_client.cli.main", "join", "foo", "--name", "a", "--part", "0"],
        ["limbeck_server.cli.main", "status", "--server", "foo"],
        ["limbeck_server.cli.main", "token", "create", "--name", "a", "--address", "foo"],
    ):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert "address 'foo'; expected HOST:PORT, e.g." in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_named_with_its_flag(tmp_path: Path) -> None:
    join = ["limbeck_client.cli.main", "join", "127.0.0.1:9", "--name", "a", "--part", "0", "--patience", "0"]
    for command, said in (
        ([*join, "--state"], "cannot write to .*; name another with --state"),
        ([*join, "--out"], "cannot write to .*; name another with --out"),
        ([*join, "--credentials"], "no credentials in .*expected a certificate.*enroll TOKEN"),
        (["limbeck_server.cli.main", "init", "--tls"], "cannot write to .*; name another with --tls"),
        (["limbeck_lab.cli.main", "simulate", "--run-dir"], "cannot write to .*; name another with --run-dir"),
    ):
        done = run(*command, "/dev/null/x", cwd=tmp_path)
        assert done.returncode == 1
        assert re.search(said, one_line(done.stderr))


def test_two_clients_do_not_share_a_folder(tmp_path: Path) -> None:
    join = ["join", "127.0.0.1:9", "--name", "a", "--part", "0", "--patience", "0", "--state", str(tmp_path)]
    with take(tmp_path / "lock"):
        done = run("limbeck_client.cli.main", *join)
    assert done.returncode == 1
    said = one_line(done.stderr)
    assert said == f"limbeck-client: another client works in {tmp_path}; stop it, or name another folder with --state"


def test_a_name_that_would_lead_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    for command in (
        ["limbeck_client.cli.main", "join", "127.0.0.1:9", "--part", "0", "--patience", "0", "--name", "../a"],
        ["limbeck_server.cli.main", "token", "create", "--name", ".."],
    ):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 1
        assert re.search("client name '../?a?'; expected 1 to 64 letters", one_line(done.stderr))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named() -> None:
    done = run("limbeck_client.cli.main", "join", "127.0.0.1:9", "--name", "a", "--part", "0", "--patience", "1")
    assert done.returncode == 1
    assert "no answer from 127.0.0.1:9" in one_line(done.stderr)


@pytest.mark.parametrize("program", ["client", "server"])
def test_plain_text_does_not_leave_the_machine_unasked(tmp_path: Path, program: str) -> None:
    join = ["limbeck_client.cli.main", "join", "203.0.113.1:9", "--name", "a", "--part", "0", "--patience", "0"]
    ask = ["limbeck_server.cli.main", "status", "--server", "203.0.113.1:9"]
    done = run(*(join if program == "client" else ask), cwd=tmp_path)
    assert done.returncode == 1
    assert re.search("no credentials in .* for 203.0.113.1:9; expected a certificate", one_line(done.stderr))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enroll", "limbeck1.abc"], "that is not an enrolment token, or only a part of one"),
        (["join", "127.0.0.1:9", "--name", "a", "--part", "0", "--token-file", "missing"], "missing: .*No such file"),
    ],
)
def test_a_bad_token_is_named(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run("limbeck_client.cli.main", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(said, one_line(done.stderr))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "own:narrow", "--part", "0"], "a learner that predicts 7 values per row; expected 10"),
        (["--model", "own:nothing", "--part", "0"], "cannot load 'own:nothing'"),
        (["--model", "vgg", "--part", "0"], "unknown model 'vgg'"),
        (["--data", "own:shuffled"], "open data .*; expected .* in its order"),
        (["--data", "own:stretched"], "private rows of type <f4"),
        (["--part", "17"], "there is no part 17; expected 0 to 2"),
        ([], "whose part of digits"),
        (["--part", "0", "--device", "abacus"], "device 'abacus'"),
        (["--part", "0", "--name", "a b"], "client name 'a b'"),
        (["--part", "0", "--policy", "none.toml"], "policy none.toml"),
    ],
)
def test_a_client_with_a_mistake_says_which(farm: Farm, arguments: list[str], said: str) -> None:
    (farm.folder / "own.py").write_text(OWN)
    _, address = farm.server(settings=DIGITS)
    done = run("limbeck_client.cli.main", "join", address, "--name", "a", "--model", "mlp", *arguments, cwd=farm.folder)
    assert done.returncode == 1
    assert re.search(said, one_line(done.stderr))


def test_a_model_that_raises_in_training_ends_its_client_alone(farm: Farm) -> None:
    (farm.folder / "own.py").write_text(OWN)
    settings = {
        "federation.rounds": "1",
        "data.parts": "2",
        "data.open": "200",
        "lobby.count.min": "2",
        "lobby.count.max": "2",
        "round.count.min": "1",
        "round.grace": "1",
        "recipe.fit.epochs": "1",
        "recipe.distill.epochs": "1",
        "model.name": "none",
    }
    server, address = farm.server(settings=settings)
    good = farm.start("limbeck_client.cli.main", "join", address, "--name", "good", "--part", "0", "--model", "forest")
    bad = run(
        "limbeck_client.cli.main",
        "join",
        address,
        "--name",
        "bad",
        "--part",
        "1",
        "--model",
        "own:Broken",
        cwd=farm.folder,
    )
    assert bad.returncode == 1
    assert "the learner raised RuntimeError in training: the weights are cursed" in one_line(bad.stderr)
    farm.wait(good)
    farm.wait(server)
