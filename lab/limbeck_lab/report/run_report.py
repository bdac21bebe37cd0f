"""A single run's report."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from limbeck_lab.report.page import read_settings, text_at, write_page
from limbeck_lab.report.run_charts import accuracy_chart, clients_chart, cost_chart, traffic_chart
from limbeck_lab.run import results
from limbeck_lab.run.results import ClientSummary, Results, mean


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder and return its path.

    Raises:
        DataError: the folder, its settings.json or a line of its metrics.jsonl cannot be read.
    """
    record = results.read(run)
    settings = read_settings(run / "settings.json")
    return write_page(
        run,
        "report.html.j2",
        name=text_at(settings, "spec", "name") or run.resolve().name,
        method=text_at(settings, "spec", "method", "name"),
        dataset=text_at(settings, "spec", "data", "dataset"),
        results=record,
        totals=_totals(record),
        charts=[accuracy_chart(record), cost_chart(record), traffic_chart(record), clients_chart(record)],
        extremes=_extremes(record.clients),
        settings=json.dumps(settings, indent=2, ensure_ascii=False),
    )


def _totals(record: Results) -> dict[str, Any]:
    """Take the headline figures from the summary where it has them, else from the rounds."""
    clients, summary = record.clients, record.summary
    beyond = record.carried - record.in_rounds
    served = list(record.served.values())
    server = summary.server_accuracy if summary else None
    return {
        "server": served[-1] if server is None and served else server,
        "alone": mean(client.alone for client in clients),
        "federated": mean(client.federated for client in clients),
        "gain": mean(client.gain for client in clients),
        "partial": any(client.gain is None for client in clients),
        "up": record.carried.up,
        "down": record.carried.down,
        "beyond": beyond.up + beyond.down,
        "counted": summary.bytes_counted if summary else None,
        "seconds": summary.seconds if summary else sum(one.seconds for one in record.rounds),
    }


def _extremes(clients: Sequence[ClientSummary]) -> list[tuple[str, list[float | None]]]:
    """Worst, median and best of each accuracy column by itself."""
    columns = [
        [figure for figure in column if figure is not None]
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
