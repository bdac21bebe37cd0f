"""A comparison's report."""

import json
from pathlib import Path

from limbeck_lab.compare import scores
from limbeck_lab.compare.plan import FILE, read_plan
from limbeck_lab.compare.scores import Comparison, read_runs, score
from limbeck_lab.report import score_table
from limbeck_lab.report.comparison_charts import (
    clients_chart,
    cost_chart,
    round_chart,
    seconds_chart,
    seeds_chart,
    style,
    target_chart,
)
from limbeck_lab.report.figure import NARROW, WIDE
from limbeck_lab.report.page import write_page

_TABLE = "comparison.md"


def write_comparison(folder: Path) -> tuple[Path, Comparison]:
    """Write comparison.json, comparison.md and report.html from the runs that have ended.

    Returns the report's path and the figures.

    Raises:
        DataError: the folder holds no comparison.
    """
    plan = read_plan(folder)
    runs = read_runs(plan, folder)
    comparison = score(plan, runs)
    (folder / scores.FILE).write_text(comparison.model_dump_json(indent=1) + "\n")
    (folder / _TABLE).write_text(score_table.markdown(comparison))
    records = [record for found in runs.values() for record in found.values()]
    served, meant = any(each.served for each in records), any(each.means for each in records)
    title = "Accuracy by round" + (": the server's model" if served else "")
    charts = [
        round_chart(runs, ("rounds", title), scores.accuracies, (WIDE, NARROW)),
        cost_chart(runs),
        target_chart(comparison),
    ]
    if served and meant:
        means = ("means", "Accuracy by round: the mean client")
        charts.append(round_chart(runs, means, lambda record: record.means, (NARROW,)))
    charts += [clients_chart(comparison), seeds_chart(comparison), seconds_chart(comparison)]
    path = write_page(
        folder,
        "comparison.html.j2",
        name=folder.resolve().name,
        plan=plan,
        datasets=sorted({entry.settings.data.dataset for entry in plan.variants.values()}),
        comparison=comparison,
        headings=score_table.headings(comparison),
        rows=[score_table.cells(comparison, each) for each in comparison.scores],
        explanation=score_table.explanation(comparison),
        done=sum(len(found) for found in runs.values()),
        charts=charts,
        style=style,
        settings=json.dumps(json.loads((folder / FILE).read_text()), indent=2, ensure_ascii=False),
    )
    return path, comparison
