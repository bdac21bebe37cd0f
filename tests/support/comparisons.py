"""Comparisons as their commands leave them: plans, and run folders with records."""

from pathlib import Path

from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import ComparisonPlan, Job, VariantSettings
from limbeck_lab.results.metrics_file import append
from limbeck_lab.results.records import ClientSummary, RoundRecord, ServerRecord, Summary
from limbeck_server.settings import FederationSettings, Settings


def plan(*methods: str, seeds: int = 2, rounds: int = 3) -> ComparisonPlan:
    variants = {
        method: VariantSettings(
            settings=Settings(method=MethodSpec(name=method), federation=FederationSettings(rounds=rounds)),
            models=("mlp",),
        )
        for method in methods
    }
    return ComparisonPlan(seeds=seeds, clients=2, target=0.8, variants=variants)


def record_run(folder: Path, job: Job, accuracies: list[float], count: int, *, has_model: bool = True) -> None:
    """Two clients: in each round each sends `count` bytes and takes none; the closing round takes as many."""
    run = job.folder(folder)
    run.mkdir(parents=True, exist_ok=True)
    for number, accuracy in enumerate(accuracies, 1):
        clients = {"a": {"accuracy": accuracy - 0.1}, "b": {"accuracy": accuracy + 0.1}}
        append(
            run,
            RoundRecord(
                round=number,
                seconds=1,
                uplinks=2,
                participants=2,
                bytes_up=2 * count,
                bytes_down=0,
                clients=clients,
            ),
        )
        if has_model:
            append(run, ServerRecord(round=number, accuracy=accuracy))
    total = count * (len(accuracies) + 1)
    append(
        run,
        Summary(
            state="finished",
            seconds=10 + job.seed,
            server_accuracy=accuracies[-1] if has_model else None,
            clients=(
                ClientSummary(name="a", model="mlp", federated=accuracies[-1] - 0.1, bytes_up=total, bytes_down=0),
                ClientSummary(name="b", model="mlp", federated=accuracies[-1] + 0.1, bytes_up=total, bytes_down=0),
            ),
            bytes_counted="as encoded",
        ),
    )
