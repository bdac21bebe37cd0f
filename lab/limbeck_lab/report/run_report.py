"""A single run's report."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from limbeck_lab.report.charts.run_charts import accuracy_chart, clients_chart, cost_chart, traffic_chart
from limbeck_lab.report.page import read_settings, text_at, write_page
from limbeck_lab.results.metrics_file import read
from limbeck_lab.results.records import ClientSummary, Results, mean


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder and return its path.

    Raises:
        DataError: the folder, its settings.json or a line of its metrics.jsonl cannot be read.
    """
    results = read(run)
    settings = read_settings(run / "settings.json")
    return write_page(
        run,
        "run.html.j2",
        name=text_at(settings, "spec", "name") or run.resolve().name,
        method=text_at(settings, "spec", "method", "name"),
        dataset=text_at(settings, "spec", "data", "dataset"),
        results=results,
        totals=_totals(results),
        charts=[accuracy_chart(results), cost_chart(results), traffic_chart(results), clients_chart(results)],
        extremes=_extremes(results.clients),
        settings=json.dumps(settings, indent=2, ensure_ascii=False),
    )


def _totals(results: Results) -> dict[str, Any]:
    """Return the headline values, from the summary where it has them, else from the rounds."""
    clients, summary = results.clients, results.summary
    by_round = list(results.server_accuracies.values())
    server = summary.server_accuracy if summary else None
    return {
        "server": by_round[-1] if server is None and by_round else server,
        "alone": mean(client.alone for client in clients),
        "federated": mean(client.federated for client in clients),
        "gain": mean(client.gain for client in clients),
        "partial": any(client.gain is None for client in clients),
        "carried": results.carried,
        "after_rounds": (results.carried - results.in_rounds).total,
        "counted": summary.bytes_counted if summary else None,
        "seconds": summary.seconds if summary else sum(one.seconds for one in results.rounds),
    }


def _extremes(clients: Sequence[ClientSummary]) -> list[tuple[str, list[float | None]]]:
    """Return worst, median and best of each accuracy column by itself."""
    columns = [
        [value for value in column if value is not None]
        for column in (
            [client.alone for client in clients],
            [client.federated for client in clients],
            [client.gain for client in clients],
        )
    ]
    return [
        (name, [choose(column) if column else None for column in columns])
        for name, choose in (("worst", min), ("median", median), ("best", max))
    ]
