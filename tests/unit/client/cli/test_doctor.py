"""What the client's doctor says of data, of clocks, and of a name that is not allowed."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import tiny

from limbeck_client.cli.doctor import diagnose_federation, diagnose_machine
from limbeck_client.join import ClientSettings, state_folder
from limbeck_common.core.errors import ClientNameError
from limbeck_common.core.messages import Invitation
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.open_digest import open_digest

SPEC = Spec(output=Output(width=3), sample_shape=(6,), sample_dtype="<f4", open_rows=60)
CHOICES = ClientSettings(
    address="127.0.0.1:9",
    name="a",
    model="support.tiny:learner",
    data="support.tiny:data",
    part=0,
    data_dir=None,
    device="cpu",
    out=None,
    state=None,
    policy=None,
    credentials=None,
    token_file=None,
    review=False,
    insecure=False,
    patience=0.0,
    log_level="info",
    log_format="auto",
)


OWN = tiny.data(0, 0)
DIGEST = open_digest(OWN.open)


class Server:
    """Answers a join like a server with `size` bytes of open data to send and a clock that is `ahead` by seconds."""

    def __init__(self, size: int = 0, ahead: float = 0.0) -> None:
        self.size, self.ahead = size, ahead

    async def join(self, *_: Any) -> Invitation:
        return Invitation("f", SPEC.model_dump_json(), DIGEST, self.size, time.time() + self.ahead)


async def findings(monkeypatch: pytest.MonkeyPatch, server: Any, opened: Any) -> list[str]:
    """Return what the doctor finds at a server, for a client with these open rows."""
    monkeypatch.setattr(tiny, "data", lambda part, seed: replace(OWN, open=opened))  # noqa: ARG005 - as users' are
    return [str(each) async for each in diagnose_federation(CHOICES, server)]


@pytest.mark.parametrize(("size", "amount"), [(1_440, "1.4 kB"), (32_000, "32.0 kB"), (7_840_000, "7.8 MB")])
async def test_the_size_of_what_the_server_will_send_is_readable(
    size: int, amount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await findings(monkeypatch, Server(size), None)
    assert f"OK    open data: none here, the server will send it, {amount}" in found


async def test_open_data_is_checked_against_the_federations(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"OK    open data: the federation's, digest {DIGEST.hex()[:16]}..." in await findings(
        monkeypatch, Server(), OWN.open
    )
    reversed_rows = await findings(monkeypatch, Server(), OWN.open[::-1])
    assert [line for line in reversed_rows if line.startswith("FAIL") and "same rows in the same order" in line]
    assert "FAIL  open data: none here, and the server sends none; bring it with --data" in await findings(
        monkeypatch, Server(), None
    )


@pytest.mark.parametrize(("ahead", "said"), [(3600, "3600.0 s ahead of"), (-60, "60.0 s behind")])
async def test_a_clock_that_is_off_is_a_warning(ahead: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (clock,) = [line for line in await findings(monkeypatch, Server(ahead=ahead), OWN.open) if "clock" in line]
    assert clock.startswith(f"WARN  clock: the server's is {said} this one; set both by NTP")
    (clock,) = [line for line in await findings(monkeypatch, Server(), OWN.open) if "clock" in line]
    assert clock.startswith("OK    clock: ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rounds = 3", "OK    policy: it allows what method dsfl asks for"),
        ("rounds = 0", "FAIL  policy: no round may be answered; raise rounds in the file of --policy"),
        ("epochs = 1", "FAIL  policy: epochs per round: "),
        (
            'kinds = ["votes"]',
            "FAIL  policy: part labels: probabilities would leave, that is, how likely the model finds each class",
        ),
    ],
)
async def test_what_the_owners_policy_does_not_allow_is_found_before_a_join(
    line: str, said: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(line)
    found = [str(each) async for each in diagnose_federation(replace(CHOICES, policy=policy), Server())]
    assert [each for each in found if each.startswith(said)]


def test_a_policy_that_cannot_be_read_is_found_on_this_machine(tmp_path: Path) -> None:
    choices = replace(CHOICES, policy=tmp_path / "none.toml", state=tmp_path)
    assert [each for each in map(str, diagnose_machine(choices)) if each.startswith("FAIL  policy: ")]
    said = "OK    policy: default, lets probabilities, memberships, values, votes leave"
    assert said in map(str, diagnose_machine(replace(CHOICES, state=tmp_path)))


def test_a_state_folder_has_the_clients_name() -> None:
    assert CHOICES.folder == Path("limbeck-client/a")
    assert replace(CHOICES, state=Path("x"), name="../a").folder == Path("x")
    assert replace(CHOICES, credentials=Path("y")).credentials_folder == Path("y")
    with pytest.raises(ClientNameError):
        state_folder("../a")
