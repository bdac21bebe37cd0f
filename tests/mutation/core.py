"""Which modules are mutated, and which tests must notice."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAST_TESTS = ("tests/unit", "tests/property", "tests/integration", "tests/contract")
SOURCES = ("common", "server", "client", "lab")
CORE = (  # globs, from the root: a new file in one of these folders is measured as soon as it is there
    "common/limbeck_common/core/arrays/enc*.py",
    "common/limbeck_common/core/exact_sums.py",
    "common/limbeck_common/core/form.py",
    "common/limbeck_common/core/kinds.py",
    "common/limbeck_common/core/recipe.py",
    "common/limbeck_common/core/sparse_sums.py",
    "common/limbeck_common/learning/losses.py",
    "common/limbeck_common/learning/metrics.py",
    "common/limbeck_common/wire/blocks.py",
    "common/limbeck_common/wire/codec.py",
    "common/limbeck_common/wire/digest.py",
    "common/limbeck_common/wire/encodings.py",
    "common/limbeck_common/wire/plans.py",
    "common/limbeck_common/wire/payload.py",
    "common/limbeck_common/wire/rows.py",
    "common/limbeck_common/methods/dsfl.py",
    "common/limbeck_common/methods/cfd.py",
    "common/limbeck_common/methods/fed[cgp]*.py",
    "common/limbeck_common/methods/fml.py",
    "common/limbeck_common/methods/options/*.py",
    "common/limbeck_common/methods/scarlet.py",
    "server/limbeck_server/aggregation/*.py",
    "server/limbeck_server/round/*.py",
    "server/limbeck_server/storage/*.py",
    "server/limbeck_server/rpc/upload.py",
    "client/limbeck_client/agent.py",
    "client/limbeck_client/checkpoint.py",
    "client/limbeck_client/participation.py",
    "client/limbeck_client/retry.py",
    "client/limbeck_client/privacy/*.py",
    "lab/limbeck_lab/conformance/trial.py",
)
_WITHOUT_BEHAVIOUR = ("/__init__.py", "/protocols.py")


@dataclass(frozen=True)
class Module:
    """A module of the core: `path` from the root."""

    path: str

    @cached_property
    def name(self) -> str:
        """The module's dotted name."""
        return self.path.split("/", 1)[1].removesuffix(".py").replace("/", ".")

    @cached_property
    def source(self) -> str:
        return (ROOT / self.path).read_text()


def core_modules(patterns: list[str] | None = None) -> list[Module]:
    """Return the core's modules in order of path; with `patterns`, those whose path holds one of them."""
    paths = sorted({path.relative_to(ROOT).as_posix() for glob in CORE for path in ROOT.glob(glob)})
    return [
        Module(path)
        for path in paths
        if not path.endswith(_WITHOUT_BEHAVIOUR) and (not patterns or any(pattern in path for pattern in patterns))
    ]


def all_sources() -> Iterator[Path]:
    """Yield every Python file that the outcome of a fast test may depend on."""
    for folder in (*SOURCES, *FAST_TESTS, "tests/support"):
        yield from sorted((ROOT / folder).rglob("*.py"))
