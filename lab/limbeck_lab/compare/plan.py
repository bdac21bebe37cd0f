"""What a comparison runs: its settings.json."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, ValidationError

from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.core.section import Section
from limbeck_common.methods.registry import make_method
from limbeck_common.support.disk import put
from limbeck_lab.compare.own_code import own_code
from limbeck_lab.compare.variants import Variant
from limbeck_lab.results import metrics_file
from limbeck_lab.results.records import Results
from limbeck_lab.run.clients import Client, make_clients
from limbeck_lab.run.lab_run import BaseSettings
from limbeck_server.settings import Settings
from limbeck_server.settings.flags import as_pairs

SETTINGS_FILE = "settings.json"


class VariantSettings(Section):
    """One variant with all of its settings, and its clients' models. Each run adds its seed and its folders."""

    settings: Settings
    models: tuple[str, ...]


class ComparisonPlan(Section):
    """Every variant runs with the seeds 0 to `seeds` - 1. A seed gives all variants the same shares of the data."""

    seeds: PositiveInt
    clients: PositiveInt
    target: Annotated[float, Field(gt=0, lt=1)]
    variants: dict[str, VariantSettings]

    def jobs(self) -> Iterator["Job"]:
        """Yield the runs: every variant with the first seed, then every variant with the next."""
        for seed in range(self.seeds):
            for label, variant in self.variants.items():
                yield Job(label, seed, variant.settings.federation.rounds)


@dataclass(frozen=True)
class Job:
    """One run: a variant with a seed."""

    label: str
    seed: int
    rounds: int

    def __str__(self) -> str:
        return f"{self.label} seed {self.seed}"

    def folder(self, comparison: Path) -> Path:
        """Return its run folder."""
        return comparison / self.label / f"seed-{self.seed}"

    def done(self, comparison: Path) -> Results | None:
        """Return what the run recorded, if it has finished."""
        folder = self.folder(comparison)
        if not (folder / metrics_file.FILE).exists():
            return None
        try:
            found = metrics_file.read(folder)
        except DataError:  # damaged: to be run again
            return None
        return found if found.summary is not None and found.summary.state == "finished" else None

    def code(self, plan: ComparisonPlan) -> str:
        """Return the digest of the user's own code that the run is made with; empty where there is none."""
        variant = plan.variants[self.label]
        given = variant.settings
        return own_code([given.method.name, given.open.source, given.model.name, *variant.models])

    def parts(self, plan: ComparisonPlan, comparison: Path) -> tuple[Settings, list[Client]]:
        """Return the run's settings and clients."""
        variant, folder = plan.variants[self.label], self.folder(comparison)
        given = variant.settings
        own = {
            "federation": given.federation.model_copy(update={"seed": self.seed}),
            "store": given.store.model_copy(update={"path": folder / "store"}),
            "tls": given.tls.model_copy(update={"folder": folder / "tls"}),
        }
        return given.model_copy(update=own), make_clients(variant.models, plan.clients)


def resolve(variant: Variant, base: BaseSettings, models: tuple[str, ...]) -> VariantSettings:
    """Return a variant with all of its settings; `models` are those of clients for which it names none.

    The options of the configuration's method hold for that method only; `--set method.options...` holds for all.

    Raises:
        SettingsError, MethodError: a setting or an option is unknown or does not fit.
    """
    # Nothing asks for a comparison's old uplinks, and those of a method that sends parameters are large.
    own = {"store.keep_rounds": "1"}
    if base.load(Path()).method.name != variant.method:
        own["method.options"] = "{}"
    own |= base.flags or {}
    own |= {"method.name": json.dumps(variant.method)}
    own |= {f"method.options.{key}": value for key, value in variant.options.items()}
    settings = base.load(Path(), own | variant.overrides)
    make_method(settings.method)
    return VariantSettings(settings=settings, models=variant.models or models)


def by_label(variants: Sequence[Variant]) -> dict[str, Variant]:
    """Return the variants by their labels.

    Raises:
        SettingsError: there are none, or two would share a folder.
    """
    found: dict[str, Variant] = {}
    for variant in variants:
        if variant.label in found:
            raise SettingsError(f"two variants are named {variant.label}", remedy="name them in a file for --variants")
        found[variant.label] = variant
    if not found:
        raise SettingsError("nothing to compare", expected="--methods or --variants")
    return found


def is_comparison(folder: Path) -> bool:
    """Whether the folder holds a comparison rather than a run."""
    try:
        return "variants" in json.loads((folder / SETTINGS_FILE).read_text())
    except (OSError, ValueError, TypeError):
        return False


def read_plan(folder: Path) -> ComparisonPlan:
    """Return the plan of a comparison's folder.

    Raises:
        DataError: its settings.json is missing, or was written by another version.
    """
    path = folder / SETTINGS_FILE
    try:
        return ComparisonPlan.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise DataError(f"{path}: {first}", expected="a comparison's settings", remedy="name another folder") from None


def settle(folder: Path, plan: ComparisonPlan) -> None:
    """Write the plan into its folder, which may hold an earlier plan that this one continues.

    The new plan may have more variants, more seeds and another target: the earlier runs stay valid.

    Raises:
        SettingsError: the folder holds a plan that this one does not continue, or something else.
        DataError: the earlier plan cannot be read.
    """
    path = folder / SETTINGS_FILE
    if path.exists() or (folder / metrics_file.FILE).exists():
        if not is_comparison(folder):
            raise SettingsError(
                f"{folder} holds something else", expected="a new folder", remedy="name another with --run-dir"
            )
        _check_same(folder, read_plan(folder), plan)
    put(path, plan.model_dump_json(indent=1).encode() + b"\n")


def _check_same(folder: Path, before: ComparisonPlan, plan: ComparisonPlan) -> None:
    if missing := sorted(before.variants.keys() - plan.variants.keys()):
        raise SettingsError(
            f"{folder} holds a comparison with {', '.join(missing)}, which this command leaves out",
            expected="all variants of that comparison; more may be added",
            remedy="name them too, or another folder with --run-dir",
        )
    if plan.seeds < before.seeds:
        raise _another(folder, "seeds", str(before.seeds), str(plan.seeds))
    shared = plan.model_copy(
        update={
            "seeds": before.seeds,
            "target": before.target,
            "variants": {label: variant for label, variant in plan.variants.items() if label in before.variants},
        }
    )
    there, here = (as_pairs(each.model_dump(mode="json")) for each in (before, shared))
    for key in {**there, **here}:
        if there.get(key) != here.get(key):
            raise _another(folder, key, there.get(key), here.get(key))


def _another(folder: Path, key: str, there: str | None, here: str | None) -> SettingsError:
    return SettingsError(
        f"{folder} holds another comparison: {key} is {there} there and {here} here",
        expected="the command that started it, or one with more variants or seeds",
        remedy="name another folder with --run-dir",
    )
