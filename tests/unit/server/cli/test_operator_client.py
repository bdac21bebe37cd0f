"""What `limbeck-server status` prints."""

import time
from datetime import datetime

from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_server.cli.operator_client import lines


def clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def test_it_says_what_is_waited_for_until_when_and_what_happens_then() -> None:
    answer = pb.StatusResponse(
        federation_id="f", phase="collecting", round=2, rounds=9, waits_for="uplinks", waits_until=1e9, then="it fails"
    )
    assert list(lines(answer)) == [
        "federation f: collecting, round 2 of 9",
        f"  waits for uplinks; at {clock(1e9)} it fails",
    ]
    paused = pb.StatusResponse(federation_id="f", phase="lobby", rounds=9, paused=True, waits_for="an operator")
    assert list(lines(paused)) == ["federation f: lobby (paused), round 0 of 9", "  waits for an operator"]
    ended = pb.StatusResponse(federation_id="f", phase="failed", reason="no quorum", round=1, rounds=9)
    assert list(lines(ended)) == ["federation f: failed, round 1 of 9", "  no quorum"]


def said(**fields: object) -> str:
    answer = pb.StatusResponse(clients=[pb.ClientStatus(name="a", bytes_up=1234, **fields)])  # type: ignore[arg-type]
    _, line = lines(answer)
    assert line.endswith("       1,234 bytes up            0 down")
    return line.split(maxsplit=1)[1].removesuffix("1,234 bytes up            0 down").strip()


def test_it_says_how_each_client_stands_and_what_else_there_is_to_know() -> None:
    assert said(status="working", present=True) == "working"
    assert said(status="working", present=True, late_round=3) == "working, late in round 3"
    assert said(status="late", present=True, late_round=3) == "late"
    assert said(status="waiting", present=True, returns=2) == "waiting, returned 2 times"
    assert said(status="revoked", silent_seconds=60) == "revoked"
    now = time.time()
    about = {clock(now - 60 + seconds) for seconds in range(5)}
    assert said(status="away", silent_seconds=60).removeprefix("away since ") in about
    assert said(status="delivered", silent_seconds=60).removeprefix("delivered, away since ") in about
