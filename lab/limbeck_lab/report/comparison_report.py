"""A comparison's report."""

import json
from pathlib import Path

from limbeck_lab.compare.plan import SETTINGS_FILE, read_plan
from limbeck_lab.compare.scores import SCORES_FILE, Comparison, judged_accuracies, read_runs, score
from limbeck_lab.report import comparison_table
from limbeck_lab.report.charts import comparison_charts as charts
from limbeck_lab.report.charts.colours import colour, symbol
from limbeck_lab.report.charts.drawing import HALF
from limbeck_lab.report.page import write_page

_TABLE_FILE = "comparison.md"


def write_comparison(folder: Path) -> tuple[Path, Comparison]:
    """Write comparison.json, comparison.md and report.html from the runs that have finished.

    Returns the report's path and the scores.

    Raises:
        DataError: the folder holds no comparison.
    """
    plan = read_plan(folder)
    runs = read_runs(plan, folder)
    comparison = score(plan, runs)
    (folder / SCORES_FILE).write_text(comparison.model_dump_json(indent=1) + "\n")
    (folder / _TABLE_FILE).write_text(comparison_table.markdown(comparison))
    finished = [results for by_seed in runs.values() for results in by_seed.values()]
    has_server = any(each.server_accuracies for each in finished)
    by_round, mean_client = "Accuracy by round", "Accuracy by round: the mean client"
    drawn = [
        charts.round_chart(
            runs, "rounds", f"{by_round}: the server's model" if has_server else by_round, judged_accuracies
        ),
        charts.cost_chart(runs),
    ]
    if has_server and any(each.mean_accuracies for each in finished):
        drawn.append(charts.round_chart(runs, "means", mean_client, lambda results: results.mean_accuracies, HALF))
    whiskers = (charts.target_chart, charts.clients_chart, charts.seeds_chart, charts.seconds_chart)
    drawn += [chart(comparison) for chart in whiskers]
    path = write_page(
        folder,
        "comparison.html.j2",
        name=folder.resolve().name,
        plan=plan,
        datasets=sorted({variant.settings.data.dataset for variant in plan.variants.values()}),
        comparison=comparison,
        headings=comparison_table.headings(comparison),
        rows=[comparison_table.cells(comparison, each) for each in comparison.scores],
        explanation=comparison_table.explanation(comparison),
        finished=len(finished),
        charts=drawn,
        colour=colour,
        symbol=symbol,
        settings=json.dumps(json.loads((folder / SETTINGS_FILE).read_text()), indent=2, ensure_ascii=False),
    )
    return path, comparison
