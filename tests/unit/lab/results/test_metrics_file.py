import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limbeck_common.core.errors import SetupError
from limbeck_lab.results.metrics_file import FILE, append, read
from limbeck_lab.results.records import ClientSummary, DisagreementRecord, Record, RoundRecord, ServerRecord, Summary


def closed(number: int, **accuracies: float) -> RoundRecord:
    return RoundRecord(
        round=number,
        seconds=1.5,
        uplinks=len(accuracies),
        participants=len(accuracies),
        bytes_up=1000,
        bytes_down=2000,
        clients={name: {"accuracy": value, "loss": 0.5} for name, value in accuracies.items()},
    )


FINISHED = Summary(
    state="finished",
    reason="all rounds are done",
    seconds=33.1,
    server_accuracy=0.91,
    clients=(
        ClientSummary(name="a", model="cnn", alone=0.74, federated=0.88, bytes_up=412_345, bytes_down=4_123_456),
        ClientSummary(name="[red]b", model="mlp", alone=0.9, federated=0.85, bytes_up=0, bytes_down=999),
        ClientSummary(name="c", model="forest"),
    ),
    bytes_counted="on the socket",
)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    first, second = closed(1, a=0.5), closed(2, a=0.6)
    server = ServerRecord(round=1, accuracy=0.7, loss=0.9)
    disagreement = DisagreementRecord(round=1, clients={"a": 0.25})
    records: list[Record] = [first, second, server, disagreement, FINISHED]
    for record in records:
        append(tmp_path, record)
    results = read(tmp_path)
    assert results.rounds == (first, second)
    assert results.server == (server,)
    assert results.disagreement == disagreement
    assert results.summary == FINISHED
    assert results.clients == FINISHED.clients
    assert results.notes == ()


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        '{"kind":"round","round":1,"seconds":1.21,"uplinks":5,"participants":5,"bytes_up":7,"bytes_down":8,'
        '"clients":{"client-0":{"accuracy":0.81,"distilled_accuracy":0.78,"anything":NaN}},"newer":1}\r\n'
        '{"kind":"server","round":1,"accuracy":0.79,"loss":0.9,"seconds":0.2}\n'
        '{"kind":"summary","state":"finished","reason":"","seconds":33.1,"server_accuracy":null,"clients":'
        '[{"name":"client-0","model":"cnn","alone":null,"federated":0.8,"bytes_up":null,"bytes_down":null}],'
        '"bytes_counted":"as encoded"}\n'
    )
    results = read(tmp_path)
    assert results.rounds[0].clients["client-0"]["anything"] is None
    assert results.summary is not None
    assert results.summary.clients[0].gain is None


def test_values_that_are_not_finite_are_written_as_missing(tmp_path: Path) -> None:
    append(tmp_path, ServerRecord(round=1, accuracy=math.nan, loss=math.inf))
    assert '"accuracy":null,"loss":null' in (tmp_path / FILE).read_text()
    assert read(tmp_path).server[0].loss is None


@pytest.mark.parametrize("kept", range(1, len(closed(2, é=0.6).model_dump_json().encode())))
def test_a_last_line_cut_short_anywhere_is_left_out_with_a_note(tmp_path: Path, kept: int) -> None:
    append(tmp_path, closed(1, é=0.5))
    with (tmp_path / FILE).open("ab") as file:
        file.write(closed(2, é=0.6).model_dump_json().encode()[:kept])
    results = read(tmp_path)
    assert [one.round for one in results.rounds] == [1]
    assert "Line 2" in results.notes[0]
    append(tmp_path, closed(3))
    mended = read(tmp_path)
    assert [one.round for one in mended.rounds] == [1, 3]
    assert mended.notes == ()


def test_a_whole_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(closed(1).model_dump_json())
    assert len(read(tmp_path).rounds) == 1
    append(tmp_path, closed(2))
    assert len(read(tmp_path).rounds) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"kind":"rou', "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[]", "object"),
        (b'{"kind":"epoch"}', "epoch"),
        (b'{"kind":"server"}', "round: Field required"),
        (b'{"kind":"round","round":-1}', "round: Input should be greater"),
    ],
)
def test_any_other_bad_line_is_one_error_that_names_file_and_line(tmp_path: Path, line: bytes, reason: str) -> None:
    good = closed(1).model_dump_json().encode()
    (tmp_path / FILE).write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    with pytest.raises(SetupError) as caught:
        read(tmp_path)
    assert f"{tmp_path / FILE}, line 2: " in str(caught.value)
    assert reason in str(caught.value)


def test_a_bad_last_line_that_is_whole_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"kind":"epoch"}')
    with pytest.raises(SetupError, match="line 1"):
        read(tmp_path)


def test_a_folder_without_metrics_has_no_rounds_and_no_folder_is_an_error(tmp_path: Path) -> None:
    assert read(tmp_path).rounds == ()
    assert FILE in read(tmp_path).notes[0]
    with pytest.raises(SetupError, match="not a folder"):
        read(tmp_path / "nowhere")


def test_a_resumed_run_is_not_over_and_its_later_lines_count(tmp_path: Path) -> None:
    records: list[Record] = [closed(1, a=0.1), FINISHED, closed(1, a=0.2), closed(2, b=0.3)]
    for record in records:
        append(tmp_path, record)
    results = read(tmp_path)
    assert results.summary is None
    assert [one.round for one in results.rounds] == [1, 2]
    assert [(one.name, one.federated) for one in results.clients] == [("a", 0.2), ("b", 0.3)]


def test_threads_may_append_together(tmp_path: Path) -> None:
    names = {f"client-{number}": 0.5 for number in range(200)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: append(tmp_path, closed(number, **names)), range(100)))
    assert [one.round for one in read(tmp_path).rounds] == list(range(100))
