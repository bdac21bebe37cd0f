"""The release log knows all that left, once, whatever a crash did to its last line."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from limbeck_client.privacy import release_log
from limbeck_client.privacy.release_log import PartRecord, ReleaseLog, ReleaseRecord, describe, read_record, uplink_key
from limbeck_common.core.blocks import NO_ROWS, Block, Rows, Space, class_scores, parameters, soft_labels
from limbeck_common.core.errors import DataError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.digest import parts_digest

ROWS = Rows(np.arange(4))
PROBABILITIES = np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.99, 0.01]], np.float32)
PARTS = {"labels": soft_labels(ROWS, PROBABILITIES)}
DIGEST = parts_digest(PARTS)
FIRST = Uplink("f", "a", 1, PARTS, {"loss": 0.5, "accuracy": 0.25}, DIGEST)
SECOND = replace(FIRST, round=2)


def records(*uplinks: Uplink) -> list[ReleaseRecord]:
    return [replace(describe(uplink), at="") for uplink in uplinks]


def written(log: ReleaseLog) -> list[ReleaseRecord]:
    return [replace(record, at="") for record in log.read()]


def of(part: str, block: Block) -> Uplink:
    parts = {part: block}
    return replace(FIRST, parts=parts, digest=parts_digest(parts))


def test_an_uplink_is_described_by_what_it_tells() -> None:
    record = describe(replace(FIRST, epoch=3))
    (part,) = record.parts
    assert (part.part, part.kind, part.keys, part.bytes) == ("labels", Kind.PROBABILITIES, 4, 32)
    assert part.confidence == pytest.approx(0.99)
    assert part.entropy == pytest.approx(0.056, abs=1e-3)
    assert replace(record, at="", parts=()) == ReleaseRecord("", "f", 1, (), DIGEST.hex(), ("accuracy", "loss"), 3)
    age = datetime.now(UTC) - datetime.fromisoformat(record.at)
    assert timedelta(seconds=-1) < age < timedelta(seconds=10)


def test_other_kinds_have_no_confidence_and_no_entropy() -> None:
    (record,) = records(of("scores", class_scores(ROWS, PROBABILITIES)))
    assert record.parts == (PartRecord("scores", Kind.LOGITS, 4, 32),)
    (record,) = records(of("model", parameters({"w": np.ones((2, 3)), "b": np.ones(3)})))
    assert record.parts == (PartRecord("model", Kind.PARAMETERS, 2, 36, None, None),)
    (record,) = records(Uplink("f", "a", 3, metrics={"loss": 1.0}, digest=parts_digest({})))
    assert record == ReleaseRecord("", "f", 3, metrics=("loss",))
    assert (record.parts, record.digest) == ((), "")


def test_each_part_of_an_uplink_is_named_with_what_it_holds() -> None:
    counts = Block(Space.CLASSES, Rows(np.arange(2)), Kind.COUNTS, (np.array([9, 1], np.float32),))
    record = describe(replace(FIRST, parts=PARTS | {"counts": counts}, metrics={}))
    assert [(part.part, part.kind) for part in record.parts] == [
        ("counts", Kind.COUNTS),
        ("labels", Kind.PROBABILITIES),
    ]
    assert "counts: 2 x counts, 8 bytes; labels: 4 x probabilities, 32 bytes, at most 0.990 sure" in str(record)


def test_a_record_reads_as_a_line() -> None:
    record = replace(describe(FIRST), at="2026-01-02T03:04:05+00:00", digest="0123456789abcdef")
    assert str(record) == (
        "2026-01-02T03:04:05+00:00  f  round   1  labels: 4 x probabilities, 32 bytes, at most 0.990 sure, "
        "entropy from 0.056 nats, with accuracy, loss  0123456789ab"
    )
    scores = (PartRecord("scores", Kind.LOGITS, 4, 12345),)
    assert str(replace(record, epoch=2, parts=scores, metrics=())) == (
        "2026-01-02T03:04:05+00:00  f  round   1, epoch 2  scores: 4 x logits, 12,345 bytes  0123456789ab"
    )
    assert str(ReleaseRecord("now", "f", 12, metrics=("loss",))) == "now  f  round  12  metrics only, with loss  "


def test_an_uplink_is_identified_by_federation_epoch_round_and_contribution() -> None:
    assert uplink_key(FIRST) == describe(FIRST).key == ("f", 1, 1, DIGEST.hex())
    closing = Uplink("g", "a", 2, digest=parts_digest({}), epoch=4)
    assert uplink_key(closing) == describe(closing).key == ("g", 4, 2, "")


def test_the_log_is_made_with_its_folder_and_counts_an_uplink_once(tmp_path: Path) -> None:
    log = ReleaseLog(tmp_path / "state" / "a")
    assert list(log.read()) == []
    log.write(describe(FIRST))
    log.write(replace(describe(FIRST), at="later"))
    log.write(describe(SECOND))
    assert log.file == tmp_path / "state" / "a" / "release-log.jsonl"
    assert written(log) == records(FIRST, SECOND)
    lines = log.file.read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [1, 2]
    assert [read_record(line.encode()) for line in lines] == list(log.read())


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, federation_id="g"),
        replace(FIRST, epoch=2),
        SECOND,
        replace(FIRST, parts={}, digest=parts_digest({})),
    ],
)
def test_another_uplink_has_a_line_of_its_own(tmp_path: Path, other: Uplink) -> None:
    log = ReleaseLog(tmp_path)
    log.write(describe(FIRST))
    log.write(describe(other))
    assert written(log) == records(FIRST, other)


def test_a_line_that_a_crash_cut_short_is_skipped_and_ended(tmp_path: Path) -> None:
    log = ReleaseLog(tmp_path)
    log.write(describe(FIRST))
    with log.file.open("a") as file:
        file.write('{"at": "2026')
    assert written(log) == records(FIRST)
    log.write(describe(SECOND))
    log.write(describe(FIRST))
    assert written(log) == records(FIRST, SECOND)
    assert log.file.read_text().count("\n") == 3


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    log = ReleaseLog(tmp_path)
    log.write(describe(FIRST))
    with log.file.open("a") as file:
        file.write('{"round": "two"}\n')
    with pytest.raises(DataError) as refused:
        list(log.read())
    assert str(refused.value) == f"{log.file}, line 2 is no record of a release; mend or delete that line"


def test_contributions_are_counted_per_federation_but_for_the_round_that_is_done_again(tmp_path: Path) -> None:
    log = ReleaseLog(tmp_path)
    for uplink in (FIRST, SECOND, replace(SECOND, epoch=2), replace(FIRST, federation_id="g")):
        log.write(describe(uplink))
    log.write(describe(Uplink("f", "a", 3, metrics={"loss": 1.0})))
    assert log.answered("f", besides=(1, 3)) == 3
    assert log.answered("f", besides=(1, 2)) == 2
    assert log.answered("f", besides=(2, 2)) == 2
    assert log.answered("f", besides=(2, 1)) == 3
    assert log.answered("g", besides=(1, 2)) == 1
    assert log.answered("h", besides=(1, 2)) == 0


def test_an_uplink_of_no_rows_is_written_as_plain_json(tmp_path: Path) -> None:
    empty = soft_labels(NO_ROWS, np.zeros((0, 2), np.float32))
    log = ReleaseLog(tmp_path)
    log.write(describe(of("labels", empty)))
    assert "Infinity" not in log.file.read_text()
    assert [record.parts for record in log.read()] == [(PartRecord("labels", Kind.PROBABILITIES, 0, 0),)]
    assert log.answered("f", besides=(1, 0)) == 0


def test_a_contribution_of_one_row_is_an_answer(tmp_path: Path) -> None:
    one = soft_labels(Rows(np.array([2])), PROBABILITIES[:1])
    log = ReleaseLog(tmp_path)
    log.write(describe(of("labels", one)))
    assert log.answered("f", besides=(1, 2)) == 1


def test_a_record_is_on_the_disk_before_its_uplink_may_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, flushed = ReleaseLog(tmp_path), list[tuple[Path, int]]()
    monkeypatch.setattr(release_log, "flush", lambda file: flushed.append((file, len(list(log.read())))))
    log.write(describe(FIRST))
    log.write(describe(SECOND))
    assert flushed == [(log.file, 1), (log.file, 2)]
