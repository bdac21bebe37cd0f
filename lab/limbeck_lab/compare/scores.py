"""The figures of a comparison: comparison.json."""

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

from limbeck_common.core.spec import MethodSpec
from limbeck_lab.compare.plan import Plan
from limbeck_lab.run.results import Results, mean

FILE = "comparison.json"
BASELINE = "fedavg"  # the method whose bytes others are measured by

Runs = dict[str, dict[int, Results]]
"""The runs that came to their end, by label and seed."""


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Figures):
    """A figure over the seeds. The median is None where half of them or more never came to it."""

    median: float | None
    low: float
    high: float


class RunScore(_Figures):
    """One run. Accuracies are on the test set at the end; bytes are a client's mean, up and down together."""

    seed: int
    server: float | None
    clients: float | None  # their mean
    worst: float | None
    middle: float | None  # their median
    best: float | None
    bytes: float
    seconds: float
    target_round: int | None  # the first in which the target was reached
    target_bytes: float | None  # to that round's end


class Score(_Figures):
    """One variant. `worst`, `middle` and `best` client: the median over the seeds."""

    label: str
    method: str
    runs: tuple[RunScore, ...]
    missing: tuple[int, ...]  # seeds whose runs have not come to their end
    server: Spread | None
    clients: Spread | None
    worst: float | None
    middle: float | None
    best: float | None
    bytes: Spread | None
    seconds: Spread | None
    target_bytes: Spread | None
    bytes_of_baseline: float | None = None  # as a share of FedAvg's with the same models, if it was run
    target_bytes_of_baseline: float | None = None


class Comparison(_Figures):
    """All of it. The target is an accuracy of the server's model or, where there is none, of the mean client."""

    target: float
    seeds: int
    scores: tuple[Score, ...]

    @property
    def has_baseline(self) -> bool:
        """Whether bytes are told as shares of FedAvg's."""
        return any(score.bytes_of_baseline is not None for score in self.scores)


def read_runs(plan: Plan, folder: Path) -> Runs:
    """Return the runs that came to their end."""
    runs: Runs = {label: {} for label in plan.variants}
    for job in plan.jobs():
        if (done := job.done(folder)) is not None:
            runs[job.label][job.seed] = done
    return runs


def accuracies(record: Results) -> Mapping[int, float]:
    """Return the accuracy by round that a run is judged by: the server's model's, else the mean client's."""
    return record.served or record.means


def bytes_so_far(record: Results) -> dict[int, float]:
    """Return the mean bytes a client sent and took to the end of each round."""
    count = max(1, len(record.clients))
    totals = accumulate(one.bytes_up + one.bytes_down for one in record.rounds)
    return {one.round: total / count for one, total in zip(record.rounds, totals, strict=True)}


def score(plan: Plan, runs: Runs) -> Comparison:
    """Return the figures of all variants."""
    scores = [
        _score(
            label, plan.variants[label].settings.method.name, plan, [_score_run(*each, plan.target) for each in found]
        )
        for label, found in ((label, seeds.items()) for label, seeds in runs.items())
    ]
    bases = [each for each in scores if _is_baseline(plan.variants[each.label].settings.method)]
    if bases:
        scores = [_beside(each, _base(each, bases, plan)) for each in scores]
    return Comparison(target=plan.target, seeds=plan.seeds, scores=tuple(scores))


def _is_baseline(method: MethodSpec) -> bool:
    return method.name == BASELINE and not method.options.get("mu")  # with it, it is FedProx


def _base(score: Score, bases: list[Score], plan: Plan) -> Score:
    """Return the FedAvg of the variant's own models; where there is none, the first."""
    models = plan.variants[score.label].models
    return next((each for each in bases if plan.variants[each.label].models == models), bases[0])


def _beside(score: Score, base: Score) -> Score:
    return score.model_copy(
        update={
            "bytes_of_baseline": _share(score.bytes, base.bytes),
            "target_bytes_of_baseline": _share(score.target_bytes, base.target_bytes),
        }
    )


def _score_run(seed: int, record: Results, target: float) -> RunScore:
    ends = [client.federated for client in record.clients if client.federated is not None]
    reached = next((number for number, value in sorted(accuracies(record).items()) if value >= target), None)
    total = record.carried
    return RunScore(
        seed=seed,
        server=record.summary.server_accuracy if record.summary else None,
        clients=mean(ends),
        worst=min(ends, default=None),
        middle=median(ends) if ends else None,
        best=max(ends, default=None),
        bytes=(total.up + total.down) / max(1, len(record.clients)),
        seconds=record.summary.seconds if record.summary else 0.0,
        target_round=reached,
        target_bytes=None if reached is None else bytes_so_far(record).get(reached),
    )


def _score(label: str, method: str, plan: Plan, runs: list[RunScore]) -> Score:
    return Score(
        label=label,
        method=method,
        runs=tuple(runs),
        missing=tuple(sorted(set(range(plan.seeds)) - {run.seed for run in runs})),
        server=spread(run.server for run in runs),
        clients=spread(run.clients for run in runs),
        worst=_median(run.worst for run in runs),
        middle=_median(run.middle for run in runs),
        best=_median(run.best for run in runs),
        bytes=spread(run.bytes for run in runs),
        seconds=spread(run.seconds for run in runs),
        target_bytes=_spread_of_reached([run.target_bytes for run in runs]),
    )


def spread(figures: Iterable[float | None]) -> Spread | None:
    """Return median, lowest and highest of the figures that are there."""
    known = [figure for figure in figures if figure is not None]
    return Spread(median=median(known), low=min(known), high=max(known)) if known else None


def _median(figures: Iterable[float | None]) -> float | None:
    found = spread(figures)
    return None if found is None else found.median


def _spread_of_reached(figures: list[float | None]) -> Spread | None:
    """As `spread`, but a run that never got there counts as one that would have taken for ever."""
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    middle = median(math.inf if figure is None else figure for figure in figures)
    return Spread(median=middle if math.isfinite(middle) else None, low=min(known), high=max(known))


def _share(part: Spread | None, whole: Spread | None) -> float | None:
    if part is None or whole is None or part.median is None or not whole.median:
        return None
    return part.median / whole.median
