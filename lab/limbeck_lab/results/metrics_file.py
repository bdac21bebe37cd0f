"""metrics.jsonl in the run folder: one JSON object per line, whose `kind` says which record it is.

The lab appends a line as each thing happens. A crash may cut the last line short: the reader leaves such a line out
and says so, and the next `append` replaces it. Where a restarted run wrote a round again, the later line counts.
"""

import threading
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import Field, TypeAdapter, ValidationError

from limbeck_common.core.errors import DataError
from limbeck_lab.results.records import DisagreementRecord, Record, Results, RoundRecord, ServerRecord, Summary

FILE = "metrics.jsonl"

_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])
_appending = threading.Lock()


def append(run: Path, record: Record) -> None:
    """Append one line to the metrics of the folder `run`. Any thread may call it, of one process at a time."""
    with _appending, (run / FILE).open("ab+", buffering=0) as file:
        _mend(file)
        file.write(record.model_dump_json().encode() + b"\n")


def _mend(file: BinaryIO) -> None:
    """Add the newline that a crash kept from the last line, or cut that line off where it is incomplete."""
    if file.seek(0, 2) == 0:
        return
    file.seek(-1, 2)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if _is_cut_short(content[start:]):
        file.truncate(start)
    else:
        file.write(b"\n")


def _is_cut_short(line: bytes) -> bool:
    """Whether a last line without a newline stops before its closing brace."""
    try:
        _RECORD.validate_json(line)
    except ValidationError as error:
        return error.errors()[0]["type"] == "json_invalid"
    return False


def read(run: Path) -> Results:
    """Return what the run has recorded so far.

    Raises:
        DataError: there is no such folder, or a line is not a record.
    """
    if not run.is_dir():
        raise DataError(f"{run} is not a folder", expected="the folder of a run")
    path = run / FILE
    if not path.exists():
        return Results(notes=(f"There is no {FILE}: no round has closed.",))
    *lines, last = path.read_bytes().split(b"\n")
    cut_short = bool(last.strip()) and _is_cut_short(last)
    if not cut_short:
        lines.append(last)
    records = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    note = f"Line {len(lines) + 1} of {FILE} was cut short by a crash and is left out."
    return _collect(records, (note,) if cut_short else ())


def _parse(line: bytes, where: str) -> Record:
    try:
        return _RECORD.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        reason = f"{field}: {first['msg']}" if field else first["msg"]
        raise DataError(
            f"{where}: {reason}",
            expected="a JSON object of kind round, server, disagreement or summary",
            remedy="correct or delete that line",
        ) from None


def _collect(records: list[Record], notes: tuple[str, ...]) -> Results:
    rounds: dict[int, RoundRecord] = {}
    server: dict[int, ServerRecord] = {}
    summary: Summary | None = None
    disagreement: DisagreementRecord | None = None
    for record in records:
        match record:
            case RoundRecord():
                rounds[record.round] = record
                summary = None  # the run was resumed
            case ServerRecord():
                server[record.round] = record
            case DisagreementRecord():
                disagreement = record
            case Summary():
                summary = record
    return Results(
        rounds=tuple(rounds[number] for number in sorted(rounds)),
        server=tuple(server[number] for number in sorted(server)),
        summary=summary,
        notes=notes,
        disagreement=disagreement,
    )
