"""What the operator's commands print: a federation's status and events, as lines for people or as JSON."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToJson

from limbeck_common.wire.v1 import operator_pb2 as pb


def as_json(message: pb.StatusResponse | pb.WatchResponse, *, on_one_line: bool = False) -> str:
    """Return a message as JSON: all of its fields, under their names in proto/, and numbers as numbers.

    >>> '"number": 425' in as_json(pb.WatchResponse(number=425, kind="opened"), on_one_line=True)
    True
    """
    return MessageToJson(
        message,
        indent=None if on_one_line else 2,
        always_print_fields_with_no_presence=True,
        preserving_proto_field_name=True,
        unquote_int64_if_possible=True,
    )


def event_line(event: pb.WatchResponse) -> str:
    """Return an event as a line: when it happened, and what."""
    return f"{clock(event.unix_seconds)}  {event.text}"


def status_lines(answer: pb.StatusResponse) -> Iterator[str]:
    """Yield a federation's status as lines: how far it is, what it waits for, and one line per client."""
    paused = " (paused)" if answer.paused else ""
    round_number = min(answer.round, answer.rounds)
    yield f"federation {answer.federation_id}: {answer.phase}{paused}, round {round_number} of {answer.rounds}"
    if answer.reason:
        yield f"  {answer.reason}"
    if answer.waits_for:
        until = f"; at {clock(answer.waits_until)} {answer.then}" if answer.waits_until else ""
        yield f"  waits for {answer.waits_for}{until}"
    for client in answer.clients:
        what = _describe(client)
        yield f"  {client.name:<24} {what:<32} {client.bytes_up:>12,} bytes up {client.bytes_down:>12,} down"


def clock(at: float) -> str:
    """Return a time, in seconds since the Unix epoch, in this machine's zone, with the date unless it is today."""
    local = datetime.fromtimestamp(at, UTC).astimezone()
    today = local.date() == datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S %Z" if today else "%Y-%m-%d %H:%M:%S %Z")


def _describe(client: pb.ClientStatus) -> str:
    """Return a client's status, and what else an operator would want to know of it."""
    said = [client.status]
    if not client.present and client.status not in {"evicted", "revoked"}:
        since = clock(time.time() - client.silent_seconds)
        said = [f"away since {since}"] if client.status == "away" else [client.status, f"away since {since}"]
    if client.late_round and client.status != "late":
        said.append(f"late in round {client.late_round}")
    if client.returns:
        said.append("returned once" if client.returns == 1 else f"returned {client.returns} times")
    return ", ".join(said)
