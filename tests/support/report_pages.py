"""Run folders as the lab leaves them, and what a report page shows of them."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from limbeck_lab.results.metrics_file import append
from limbeck_lab.results.records import ClientSummary, RoundRecord, ServerRecord, Summary

SETTINGS = {"spec": {"name": "ward-7", "method": {"name": "dsfl"}, "data": {"dataset": "digits"}}}
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page strictly enough to notice a tag left open, and collects what the tests ask for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def make_run(run: Path, rounds: int, clients: int = 3, *, settings: Any = SETTINGS) -> Path:
    (run / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    names = [f"client-{number}" for number in range(clients)]
    for number in range(1, rounds + 1):
        accuracies = {name: {"accuracy": 0.5 + 0.01 * number} for name in names}
        append(
            run,
            RoundRecord(
                round=number,
                seconds=1,
                uplinks=clients,
                participants=clients,
                bytes_up=100_000,
                bytes_down=200_000,
                clients=accuracies,
            ),
        )
        append(run, ServerRecord(round=number, accuracy=0.6 + 0.01 * number))
    return run


def finish(run: Path, *clients: ClientSummary, reason: str = "done") -> None:
    append(
        run,
        Summary(
            state="finished",
            reason=reason,
            seconds=33.1,
            server_accuracy=0.91,
            clients=clients,
            bytes_counted="on the socket",
        ),
    )
