"""What `limbeck-server status` and `watch` print."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_server.cli.printing import as_json, clock, event_line, status_lines


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_has_its_zone_and_a_date_unless_it_is_today() -> None:
    assert clock(1e9) == "2001-09-09 10:46:40 JST"
    now = datetime.now(UTC)
    assert clock(now.timestamp()) == now.astimezone().strftime("%H:%M:%S JST")


def test_it_says_what_is_waited_for_until_when_and_what_happens_then() -> None:
    answer = pb.StatusResponse(
        federation_id="f", phase="collecting", round=2, rounds=9, waits_for="uplinks", waits_until=1e9, then="it fails"
    )
    assert list(status_lines(answer)) == [
        "federation f: collecting, round 2 of 9",
        "  waits for uplinks; at 2001-09-09 10:46:40 JST it fails",
    ]
    paused = pb.StatusResponse(federation_id="f", phase="lobby", rounds=9, paused=True, waits_for="an operator")
    assert list(status_lines(paused)) == ["federation f: lobby (paused), round 0 of 9", "  waits for an operator"]
    ended = pb.StatusResponse(federation_id="f", phase="failed", reason="no quorum", round=1, rounds=9)
    assert list(status_lines(ended)) == ["federation f: failed, round 1 of 9", "  no quorum"]


def said(**fields: object) -> str:
    answer = pb.StatusResponse(clients=[pb.ClientStatus(name="a", bytes_up=1234, **fields)])  # type: ignore[arg-type]
    _, line = status_lines(answer)
    assert line.endswith("       1,234 bytes up            0 down")
    return line.split(maxsplit=1)[1].removesuffix("1,234 bytes up            0 down").strip()


def test_it_says_how_each_client_stands_and_what_else_there_is_to_know() -> None:
    assert said(status="working", present=True) == "working"
    assert said(status="working", present=True, late_round=3) == "working, late in round 3"
    assert said(status="late", present=True, late_round=3) == "late"
    assert said(status="waiting", present=True, returns=2) == "waiting, returned 2 times"
    assert said(status="waiting", present=True, returns=1) == "waiting, returned once"
    assert said(status="declined", present=True) == "declined"
    assert said(status="revoked", silent_seconds=60) == "revoked"
    now = time.time()
    about = {clock(now - 60 + seconds) for seconds in range(5)}
    assert said(status="away", silent_seconds=60).removeprefix("away since ") in about
    assert said(status="delivered", silent_seconds=60).removeprefix("delivered, away since ") in about


def test_json_has_every_field_and_numbers_as_numbers() -> None:
    client = pb.ClientStatus(name="a", bytes_up=46, bytes_down=2**40)
    status = json.loads(as_json(pb.StatusResponse(phase="lobby", rounds=3, clients=[client])))
    assert (status["phase"], status["rounds"], status["paused"], status["reason"]) == ("lobby", 3, False, "")
    assert (status["clients"][0]["bytes_up"], status["clients"][0]["bytes_down"]) == (46, 2**40)
    event = as_json(pb.WatchResponse(number=425, unix_seconds=1.5, metrics={"accuracy": 0.5}), on_one_line=True)
    assert "\n" not in event
    assert json.loads(event)["number"] == 425
    assert json.loads(event)["metrics"] == {"accuracy": 0.5}


def test_an_event_is_a_line_with_its_time() -> None:
    assert event_line(pb.WatchResponse(unix_seconds=1e9, text="a joined")) == "2001-09-09 10:46:40 JST  a joined"
