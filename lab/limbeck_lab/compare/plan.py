"""What a comparison is to run: its settings.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, ValidationError

from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.core.spec import Section
from limbeck_common.methods.registry import make_method
from limbeck_common.support.disk import put
from limbeck_lab.compare.variants import Variant
from limbeck_lab.run import results
from limbeck_lab.run.clients import Client, make_clients
from limbeck_lab.run.folder import lab_settings
from limbeck_lab.run.processes import as_pairs
from limbeck_server.settings import Settings

FILE = "settings.json"


class Entry(Section):
    """One variant with all of its settings; seed and folders are those of each run."""

    settings: Settings
    models: tuple[str, ...]


class Plan(Section):
    """Every variant runs with the seeds 0 to seeds - 1: the same shares of the data for all."""

    seeds: PositiveInt
    clients: PositiveInt
    target: Annotated[float, Field(gt=0, lt=1)]
    variants: dict[str, Entry]

    def jobs(self) -> Iterator["Job"]:
        """Yield the runs: every variant with the first seed, then every variant with the next."""
        for seed in range(self.seeds):
            for label, entry in self.variants.items():
                yield Job(label, seed, entry.settings.federation.rounds)


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

    def done(self, comparison: Path) -> results.Results | None:
        """Return what the run recorded, if it came to its end."""
        folder = self.folder(comparison)
        if not (folder / results.FILE).exists():
            return None
        try:
            found = results.read(folder)
        except DataError:  # damaged: it is to be run anew
            return None
        return found if found.summary is not None and found.summary.state == "finished" else None

    def parts(self, plan: Plan, comparison: Path) -> tuple[Settings, list[Client]]:
        """Return the run's settings and clients."""
        entry, folder = plan.variants[self.label], self.folder(comparison)
        given = entry.settings
        own = {
            "federation": given.federation.model_copy(update={"seed": self.seed}),
            "store": given.store.model_copy(update={"path": folder / "store"}),
            "tls": given.tls.model_copy(update={"folder": folder / "tls"}),
        }
        return given.model_copy(update=own), make_clients(entry.models, plan.clients)


def make_entry(  # noqa: PLR0913, PLR0917 - what all variants share
    variant: Variant,
    config: Path | None,
    defaults: Mapping[str, Any],
    flags: Mapping[str, str],
    clients: int,
    models: tuple[str, ...],
) -> Entry:
    """Return a variant with all of its settings.

    The options of the configuration's method hold for that method alone; `--set method.options...` holds for all.

    Raises:
        SettingsError, MethodError: a setting or an option is unknown or does not fit.
    """
    common = lab_settings(config, dict(defaults), dict(flags), clients, Path())
    # Nothing asks for a comparison's old uplinks, and those of a method that sends parameters are large.
    own = {"store.keep_rounds": "1"}
    if common.method.name != variant.method:
        own["method.options"] = "{}"
    own |= flags
    own |= {"method.name": json.dumps(variant.method)}
    own |= {f"method.options.{key}": value for key, value in variant.options.items()}
    settings = lab_settings(config, dict(defaults), own | variant.overrides, clients, Path())
    make_method(settings.method)
    return Entry(settings=settings, models=variant.models or models)


def by_label(variants: Sequence[Variant]) -> dict[str, Variant]:
    """Return the variants by their labels.

    Raises:
        SettingsError: there are none, or two would share a folder.
    """
    found: dict[str, Variant] = {}
    for variant in variants:
        if variant.label in found:
            raise SettingsError(f"two variants are called {variant.label}", remedy="give them names with --variants")
        found[variant.label] = variant
    if not found:
        raise SettingsError("nothing to compare", expected="--methods or --variants")
    return found


def is_comparison(folder: Path) -> bool:
    """Whether the folder holds a comparison rather than a run."""
    try:
        return "variants" in json.loads((folder / FILE).read_text())
    except (OSError, ValueError, TypeError):
        return False


def read_plan(folder: Path) -> Plan:
    """Return the plan of a comparison's folder.

    Raises:
        DataError: its settings.json is missing, or was written by another version.
    """
    path = folder / FILE
    try:
        return Plan.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise DataError(f"{path}: {first}", expected="a comparison's settings", remedy="name another folder") from None


def settle(folder: Path, plan: Plan) -> None:
    """Write the plan into its folder, which may hold one that this one goes on with.

    It may have more variants and seeds than the one before, and another target: no run becomes another by that.

    Raises:
        SettingsError: another plan is there, or the folder holds something else.
        DataError: the plan that is there cannot be read.
    """
    path = folder / FILE
    if path.exists() or (folder / results.FILE).exists():
        if not is_comparison(folder):
            raise SettingsError(
                f"{folder} holds something else", expected="a new folder", remedy="name another with --run-dir"
            )
        _check_same(folder, read_plan(folder), plan)
    put(path, plan.model_dump_json(indent=1).encode() + b"\n")


def _check_same(folder: Path, before: Plan, plan: Plan) -> None:
    if missing := sorted(before.variants.keys() - plan.variants.keys()):
        raise SettingsError(
            f"{folder} holds a comparison with {', '.join(missing)}, which this command leaves out",
            expected="all that is there, and more if you like",
            remedy="name them too, or another folder with --run-dir",
        )
    if plan.seeds < before.seeds:
        raise _another(folder, "seeds", str(before.seeds), str(plan.seeds))
    kept = plan.model_copy(
        update={
            "seeds": before.seeds,
            "target": before.target,
            "variants": {label: entry for label, entry in plan.variants.items() if label in before.variants},
        }
    )
    there, here = (as_pairs(each.model_dump(mode="json")) for each in (before, kept))
    for key in {**there, **here}:
        if there.get(key) != here.get(key):
            raise _another(folder, key, there.get(key), here.get(key))


def _another(folder: Path, key: str, there: str | None, here: str | None) -> SettingsError:
    return SettingsError(
        f"{folder} holds another comparison: {key} is {there} there and {here} here",
        expected="the command that it was started with, or one with more variants or seeds",
        remedy="name another folder with --run-dir",
    )
