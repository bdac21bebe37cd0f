"""A run's report page."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.report_pages import Page, finish, make_run

from limbeck_common.core.errors import SetupError
from limbeck_lab.report.charts.run_charts import CLIENT_LINES
from limbeck_lab.report.run_report import write_report
from limbeck_lab.results.metrics_file import append
from limbeck_lab.results.records import ClientSummary, DisagreementRecord


def test_a_finished_run_shows_its_headline_values(tmp_path: Path) -> None:
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
    assert "learn from the last aggregate (2.1 MB, with late messages)" in text
    assert "With the federation: worst 80.0 %, median 85.0 %, best 90.0 %." in text
    assert "one cnn 50.0 % 80.0 % +30.0 1.0 MB 400 kB" in text
    assert "worst 50.0 % 80.0 % +20.0 median 60.0 % 85.0 % +25.0 best 70.0 % 90.0 % +30.0" in text


@pytest.mark.parametrize("rounds", [0, 1, 2, 100])
def test_an_interrupted_run_says_so_and_shows_how_far_it_came(tmp_path: Path, rounds: int) -> None:
    text = Page(write_report(make_run(tmp_path, rounds))).text
    assert "interrupted : the run has written no summary" in text
    assert ("no round has closed" in text) == (rounds == 0)
    assert (f"{0.6 + 0.01 * rounds:.0%}".replace("%", ".0 %") in text) == (rounds > 0)


def test_every_chart_has_a_title_a_description_and_a_table_behind_it(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path, 5)))
    charts = [one for one in page.all("svg") if one.get("role") == "img"]
    assert len(charts) == 8  # four, each for a screen and for a phone
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
    assert "its accuracy was not recorded" in text
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


def test_many_clients_become_bands_and_do_not_widen_the_table(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path, 1, clients=CLIENT_LINES + 1)))
    assert f"The values of all {CLIENT_LINES + 1} clients are in metrics.jsonl" in page.text
    assert "all clients" in page.text
    assert "middle half" in page.text
    assert "each of" not in page.text


def test_every_identifier_on_the_page_is_unique(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path, 5)))
    identifiers = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(identifiers) == len(set(identifiers)) > 8


def test_disagreement_has_a_column_where_it_was_measured(tmp_path: Path) -> None:
    make_run(tmp_path, 2)
    append(tmp_path, DisagreementRecord(round=2, clients={"client-0": 0.25}))
    text = Page(write_report(tmp_path)).text
    assert "client-0 - - 52.0 % - - - 0.250" in text
    assert "from the mean over all clients in round 2" in text


def test_the_page_of_a_large_run_stays_small(tmp_path: Path) -> None:
    path = write_report(make_run(tmp_path, 200, clients=100))
    assert path.stat().st_size < 400_000
