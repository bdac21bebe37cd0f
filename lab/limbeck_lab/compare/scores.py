"""The scores of a comparison's variants: comparison.json."""

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import ComparisonPlan
from limbeck_lab.results.records import Results, mean

SCORES_FILE = "comparison.json"
BASELINE = "fedavg"  # the method whose bytes others are measured by

Runs = dict[str, dict[int, Results]]
"""The runs that have finished, by label and seed."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Frozen):
    """A value over the seeds. The median is None where half of the seeds or more never reached it."""

    median: float | None
    low: float
    high: float


class RunScore(_Frozen):
    """One run. Accuracies are on the test set at the end; bytes are the mean per client, up and down together."""

    seed: int
    server: float | None
    clients: float | None  # their mean
    local: float | None = None  # their mean on rows as their own, where they were measured on both
    worst: float | None
    middle: float | None  # their median
    best: float | None
    bytes: float
    seconds: float
    target_round: int | None  # the first in which the target was reached
    target_bytes: float | None  # to that round's end


class Score(_Frozen):
    """One variant. `worst`, `middle` and `best` client: the median over the seeds."""

    label: str
    method: str
    runs: tuple[RunScore, ...]
    missing: tuple[int, ...]  # seeds whose runs have not finished
    server: Spread | None
    clients: Spread | None
    local: Spread | None = None
    worst: float | None
    middle: float | None
    best: float | None
    bytes: Spread | None
    seconds: Spread | None
    target_bytes: Spread | None
    bytes_of_baseline: float | None = None  # as a share of FedAvg's with the same models, if it was run
    target_bytes_of_baseline: float | None = None


class Comparison(_Frozen):
    """All variants. The target is an accuracy of the server's model or, where there is none, of the mean client."""

    target: float
    seeds: int
    scores: tuple[Score, ...]

    @property
    def has_local(self) -> bool:
        """Whether clients were measured on rows as their own, too."""
        return any(score.local is not None for score in self.scores)

    @property
    def has_baseline(self) -> bool:
        """Whether bytes are given as shares of FedAvg's too."""
        return any(score.bytes_of_baseline is not None for score in self.scores)


def read_runs(plan: ComparisonPlan, folder: Path) -> Runs:
    """Return the runs that have finished."""
    runs: Runs = {label: {} for label in plan.variants}
    for job in plan.jobs():
        if (done := job.done(folder)) is not None:
            runs[job.label][job.seed] = done
    return runs


def judged_accuracies(record: Results) -> Mapping[int, float]:
    """Return the accuracy by round that a run is judged by: the server's model's, else the mean client's."""
    return record.server_accuracies or record.mean_accuracies


def bytes_so_far(record: Results) -> dict[int, float]:
    """Return the bytes that a client had sent and received at the end of each round, mean over the clients."""
    count = max(1, len(record.clients))
    totals = accumulate(one.carried.total for one in record.rounds)
    return {one.round: total / count for one, total in zip(record.rounds, totals, strict=True)}


def score(plan: ComparisonPlan, runs: Runs) -> Comparison:
    """Return the scores of all variants."""
    scores = [
        _score(
            label, plan.variants[label].settings.method.name, plan, [_score_run(*each, plan.target) for each in found]
        )
        for label, found in ((label, seeds.items()) for label, seeds in runs.items())
    ]
    bases = [each for each in scores if _is_baseline(plan.variants[each.label].settings.method)]
    if bases:
        scores = [_relative(each, _base(each, bases, plan)) for each in scores]
    return Comparison(target=plan.target, seeds=plan.seeds, scores=tuple(scores))


def _is_baseline(method: MethodSpec) -> bool:
    return method.name == BASELINE and not method.options.get("mu")  # with mu, it is FedProx


def _base(score: Score, bases: list[Score], plan: ComparisonPlan) -> Score:
    """Return the FedAvg of the variant's own models; where there is none, the first."""
    models = plan.variants[score.label].models
    return next((each for each in bases if plan.variants[each.label].models == models), bases[0])


def _relative(score: Score, base: Score) -> Score:
    return score.model_copy(
        update={
            "bytes_of_baseline": _share(score.bytes, base.bytes),
            "target_bytes_of_baseline": _share(score.target_bytes, base.target_bytes),
        }
    )


def _score_run(seed: int, record: Results, target: float) -> RunScore:
    ends = [client.federated for client in record.clients if client.federated is not None]
    reached = next((number for number, value in sorted(judged_accuracies(record).items()) if value >= target), None)
    return RunScore(
        seed=seed,
        server=record.summary.server_accuracy if record.summary else None,
        clients=mean(ends),
        local=mean(client.metrics.get("local_accuracy") for client in record.clients),
        worst=min(ends, default=None),
        middle=median(ends) if ends else None,
        best=max(ends, default=None),
        bytes=record.carried.total / max(1, len(record.clients)),
        seconds=record.summary.seconds if record.summary else 0.0,
        target_round=reached,
        target_bytes=None if reached is None else bytes_so_far(record).get(reached),
    )


def _score(label: str, method: str, plan: ComparisonPlan, runs: list[RunScore]) -> Score:
    return Score(
        label=label,
        method=method,
        runs=tuple(runs),
        missing=tuple(sorted(set(range(plan.seeds)) - {run.seed for run in runs})),
        server=spread(run.server for run in runs),
        clients=spread(run.clients for run in runs),
        local=spread(run.local for run in runs),
        worst=_median(run.worst for run in runs),
        middle=_median(run.middle for run in runs),
        best=_median(run.best for run in runs),
        bytes=spread(run.bytes for run in runs),
        seconds=spread(run.seconds for run in runs),
        target_bytes=_spread_of_reached([run.target_bytes for run in runs]),
    )


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return median, lowest and highest of the values that are known."""
    known = [value for value in values if value is not None]
    return Spread(median=median(known), low=min(known), high=max(known)) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    found = spread(values)
    return None if found is None else found.median


def _spread_of_reached(values: list[float | None]) -> Spread | None:
    """As `spread`, but a run that never reached the target counts as infinitely long."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    middle = median(math.inf if value is None else value for value in values)
    return Spread(median=middle if math.isfinite(middle) else None, low=min(known), high=max(known))


def _share(part: Spread | None, whole: Spread | None) -> float | None:
    if part is None or whole is None or part.median is None or not whole.median:
        return None
    return part.median / whole.median
