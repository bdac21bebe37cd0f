"""A comparison's report page."""

import json
import re
from pathlib import Path

import pytest
from support.report_pages import Page, finish, make_run

from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import ComparisonPlan, VariantSettings
from limbeck_lab.report.comparison_report import write_comparison
from limbeck_lab.results.records import ClientSummary
from limbeck_server.settings import Settings


def make_comparison(folder: Path, methods: int, done: int) -> Path:
    """Write a comparison whose first `done` runs have ended."""
    variants = {
        f"method-{number}": VariantSettings(
            settings=Settings(method=MethodSpec(name=f"method-{number}")), models=("mlp",)
        )
        for number in range(methods)
    }
    plan = ComparisonPlan(seeds=2, clients=2, target=0.62, variants=variants)
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
    assert "23 of 24 runs have finished" in page.text
    assert "method-3 91.0 72.5 (70.0-75.0) 55.0 / 72.5 / 90.0 450 kB 300 kB 33.1 s" in page.text
    assert "missing seeds: method-11 1" in page.text
    assert (
        len([one for one in page.all("svg") if one.get("role") == "img"]) == 14
    )  # seven, each for a screen and for a phone
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
    assert f"{done} of {2 * methods} runs have finished" in text
    assert ("Nothing to draw yet" in text) == (done == 0)
