import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from limbeck_common.core.errors import SetupError
from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import Entry, Plan
from limbeck_lab.report.chart import Series, Unit, axis, bar_chart, line_chart, log_axis
from limbeck_lab.report.comparison_report import write_comparison
from limbeck_lab.report.figure import byte_text
from limbeck_lab.report.run_charts import CLIENT_COLUMNS
from limbeck_lab.report.run_report import write_report
from limbeck_lab.report.spread_chart import Row, row_chart
from limbeck_lab.run.results import ClientSummary, RoundRecord, ServerRecord, Summary, append
from limbeck_server.settings import Settings

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


def test_a_finished_run_tells_its_headline_figures(tmp_path: Path) -> None:
    make_run(tmp_path, 3)
    finish(
        tmp_path,
        ClientSummary(name="one", model="cnn", alone=0.5, federated=0.8, bytes_up=1_000_000, bytes_down=400_000),
        ClientSummary(name="two", model="mlp", alone=0.7, federated=0.9, bytes_up=1_000_000, bytes_down=600_000),
    )
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    text = Page(path).text
    assert "ward-7 dsfl on digits finished : done" in text
    assert "Server's model 91.0 %" in text
    assert "Mean client 85.0 % with the federation; 60.0 % alone: +25.0 points" in text
    assert "3.0 MB 2.0 MB up, 1.0 MB down, counted on the socket" in text
    assert "33.1 s 3 rounds" in text
    assert "learn from the last aggregate (2.1 MB, with what came late)" in text
    assert "With the federation: worst 80.0 %, median 85.0 %, best 90.0 %." in text
    assert "one cnn 50.0 % 80.0 % +30.0 1.0 MB 400 kB" in text
    assert "worst 50.0 % 80.0 % +20.0 median 60.0 % 85.0 % +25.0 best 70.0 % 90.0 % +30.0" in text


@pytest.mark.parametrize("rounds", [0, 1, 2, 100])
def test_an_interrupted_run_says_so_and_shows_how_far_it_came(tmp_path: Path, rounds: int) -> None:
    text = Page(write_report(make_run(tmp_path, rounds))).text
    assert "interrupted : the run wrote no summary" in text
    assert ("no round has closed" in text) == (rounds == 0)
    assert (f"{0.6 + 0.01 * rounds:.0%}".replace("%", ".0 %") in text) == (rounds > 0)


def test_every_chart_has_a_title_a_description_and_a_table_behind_it(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path, 5)))
    charts = [one for one in page.all("svg") if one.get("role") == "img"]
    assert len(charts) == 5  # four, the first in two sizes
    identifiers = {one["id"] for one in page.all("title") + page.all("desc") if "id" in one}
    for one in charts:
        assert set((one["aria-labelledby"] or "").split()) <= identifiers
    assert len(page.all("table")) == 5
    assert "5 65.0 % 55.0 % 55.0 % 55.0 % 55.0 % 55.0 % 55.0 %" in page.text
    assert "5 1,500,000 65.0 %" in page.text
    assert "5 100,000 200,000" in page.text


def test_without_a_server_model_the_mean_client_stands_in(tmp_path: Path) -> None:
    make_run(tmp_path, 2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    (tmp_path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines if "server" not in line))
    text = Page(write_report(tmp_path)).text
    assert "no accuracy of it was recorded" in text
    assert "Mean of the clients: from 51.0 % to 52.0 %. 600 kB in all." in text


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    source = write_report(make_run(tmp_path, 2)).read_text(encoding="utf-8")
    assert "default-src 'none'" in source
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<img|<iframe", source)
    assert [one["href"] for one in Page(tmp_path / "report.html").all("link")] == ["data:,"]


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    settings = {"spec": {"name": evil, "method": {"name": evil}, "data": {"dataset": evil}}, evil: evil}
    make_run(tmp_path, 2, settings=settings)
    finish(tmp_path, ClientSummary(name=evil, model=evil, federated=0.5), reason=evil)
    page = Page(write_report(tmp_path))
    assert page.all("script") == []
    assert page.text.count(evil) >= 6


@pytest.mark.parametrize("settings", [{}, {"spec": None}, {"spec": {"method": 3, "name": ["a"]}}])
def test_settings_without_a_specification_will_do(tmp_path: Path, settings: Any) -> None:
    assert tmp_path.name in Page(write_report(make_run(tmp_path, 1, settings=settings))).text


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff"])
def test_bad_settings_are_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(SetupError, match=re.escape("settings.json")):
        write_report(tmp_path)


def test_many_clients_do_not_widen_the_table(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path, 1, clients=CLIENT_COLUMNS + 1)))
    assert f"All {CLIENT_COLUMNS + 1} clients' figures are in metrics.jsonl" in page.text


def make_comparison(folder: Path, methods: int, done: int) -> Path:
    """Write a comparison whose first `done` runs have ended."""
    entries = {
        f"method-{number}": Entry(settings=Settings(method=MethodSpec(name=f"method-{number}")), models=("mlp",))
        for number in range(methods)
    }
    plan = Plan(seeds=2, clients=2, target=0.62, variants=entries)
    (folder / "settings.json").write_text(plan.model_dump_json())
    for job in list(plan.jobs())[:done]:
        job.folder(folder).mkdir(parents=True)
        make_run(job.folder(folder), 3)
        finish(
            job.folder(folder),
            ClientSummary(name="client-0", model="mlp", federated=0.5 + job.seed / 10, bytes_up=450_000, bytes_down=0),
            ClientSummary(name="client-1", model="mlp", federated=0.9, bytes_up=450_000, bytes_down=0),
        )
    return folder


def test_a_comparison_shows_every_variant_with_its_spreads(tmp_path: Path) -> None:
    path, comparison = write_comparison(make_comparison(tmp_path, 12, 23))
    page = Page(path)
    assert "12 variants on digits, 2 clients, seeds 0 to 1" in page.text
    assert "23 of 24 runs have come to their end" in page.text
    assert "method-3 91.0 72.5 (70.0-75.0) 55.0 / 72.5 / 90.0 450 kB 300 kB 33.1 s" in page.text
    assert "seeds that are missing: method-11 1" in page.text
    assert len([one for one in page.all("svg") if one.get("role") == "img"]) == 8  # seven, the first in two sizes
    assert {one["href"] for one in page.all("a")} == {
        f"{score.label}/seed-{run.seed}/report.html" for score in comparison.scores for run in score.runs
    }
    assert all((tmp_path / str(one["href"])).parent.is_dir() for one in page.all("a"))
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<img|<iframe", source)
    assert json.loads((tmp_path / "comparison.json").read_text())["scores"][3]["target_bytes"]["median"] == 300_000
    table = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "| method-3 | 91.0 | 72.5 (70.0-75.0) | 55.0 / 72.5 / 90.0 | 450 kB | 300 kB | 33.1 s |" in table


@pytest.mark.parametrize(("methods", "done"), [(1, 0), (1, 1), (2, 1)])
def test_a_comparison_is_shown_as_far_as_it_came(tmp_path: Path, methods: int, done: int) -> None:
    text = Page(write_comparison(make_comparison(tmp_path, methods, done))[0]).text
    assert f"{done} of {2 * methods} runs have come to their end" in text
    assert ("Nothing to draw yet" in text) == (done == 0)


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        ((1000, 1000), ["1 kB", "2 kB"]),
        ((101_000, 390_000), ["100 kB", "200 kB", "500 kB"]),
        ((900, 3_000_000), ["1 kB", "10 kB", "100 kB", "1 MB"]),
        ((1, 5e12), ["1 B", "1 kB", "1 MB", "1 GB", "1 TB"]),
    ],
)
def test_a_logarithmic_axis_covers_the_data(span: tuple[float, float], labels: list[str]) -> None:
    scale = log_axis("", span, byte_text)
    assert [label for _, label in scale.ticks] == labels
    assert 0 < scale.low <= span[0] <= span[1] <= scale.high
    assert scale.place(scale.low, 0, 100) == 0
    assert scale.place(scale.high, 0, 100) == pytest.approx(100)
    assert scale.place((scale.low * scale.high) ** 0.5, 0, 100) == pytest.approx(50)


def test_rows_of_whiskers_stand_in_order_inside_the_plot() -> None:
    scale = axis("", (0, 10), Unit())
    drawing = row_chart([Row("first", "s0", 0, 5, 10), "empty", Row("a" * 99, "s1", 2, None, 3)], scale, 440)
    assert [mark.label for mark in drawing.marks] == ["first", "a" * 99]
    first, last = drawing.marks
    assert f"M{drawing.left:.1f} " in first.path
    assert f"H{drawing.right:.1f}" in first.path
    ((x, y),) = first.dots
    assert drawing.left < x < drawing.right
    assert drawing.top < y < drawing.bottom
    assert last.dots == ()
    levels = [at for at, _ in drawing.y_ticks]
    assert levels == sorted(levels)
    assert all(len(label) < 30 for _, label in drawing.y_ticks)


@pytest.mark.parametrize(
    ("span", "unit", "labels"),
    [
        ((0.38, 0.93), Unit(100, " %"), ["20 %", "40 %", "60 %", "80 %", "100 %"]),
        ((0.991, 1.0), Unit(100, " %"), ["99.0 %", "99.2 %", "99.4 %", "99.6 %", "99.8 %", "100.0 %"]),
        ((0, 412_345), Unit(1e-3, whole=True), ["0", "100", "200", "300", "400", "500"]),
        ((0, 1_200_000), Unit(1e-6, whole=True), ["0.0", "0.5", "1.0", "1.5"]),
        ((1, 1), Unit(whole=True), ["0", "1", "2"]),
        ((1, 3), Unit(whole=True), ["1", "2", "3"]),
    ],
)
def test_ticks_are_round_numbers_that_cover_the_data(span: tuple[float, float], unit: Unit, labels: list[str]) -> None:
    scale = axis("", span, unit)
    assert [label for _, label in scale.ticks] == labels
    assert scale.low <= span[0] <= span[1] <= scale.high


def test_lines_stay_inside_the_plot_and_the_highlighted_one_lies_on_top() -> None:
    scale = axis("", (0, 10), Unit())
    first = Series("first", "server", ((0, 0), (10, 10)), highlight=True)
    second = Series("second", "client", ((0, 10), (5, 5), (10, 0)))
    drawing = line_chart([first, second, Series("none", "client", ())], scale, scale, (440, 300))
    assert [mark.label for mark in drawing.marks] == ["second", "first"]
    assert drawing.marks[1].path == f"M{drawing.left} {drawing.bottom} L{drawing.right} {drawing.top}"
    assert drawing.marks[0].dots == ()
    assert len(drawing.marks[1].dots) == 2


def test_a_lonely_point_is_a_dot() -> None:
    scale = axis("", (0, 10), Unit())
    (mark,) = line_chart([Series("one", "client", ((5, 5),))], scale, scale, (440, 300)).marks
    assert mark.path == ""
    assert len(mark.dots) == 1


@pytest.mark.parametrize("count", [1, 3, 60])
def test_bars_stay_inside_the_plot_and_do_not_overlap(count: int) -> None:
    x = axis("", (0.5, count + 0.5), Unit(whole=True), widen=False)
    series = [Series(name, name, tuple((at, 5.0) for at in range(1, count + 1))) for name in ("up", "down")]
    drawing = bar_chart(series, x, axis("", (0, 10), Unit()), (440, 300))
    edges = []
    for mark in drawing.marks:
        for left, width in re.findall(r"M([\d.]+) \d+V[\d.]+h([\d.]+)", mark.path):
            edges.append((float(left), float(left) + float(width)))
    edges.sort()
    assert len(edges) == 2 * count
    assert drawing.left <= edges[0][0]
    assert edges[-1][1] <= drawing.right
    assert all(before[1] <= after[0] + 0.2 for before, after in pairwise(edges))
