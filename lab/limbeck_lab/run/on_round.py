"""What a user's own code may do with each round: print it, plot it, send it somewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_common.support.plugins import call_plugin, load_plugin
from limbeck_lab.results.records import Measured, RoundRecord, mean

WRITERS = ("tensorboard", "wandb")


@dataclass(frozen=True)
class Round:
    """A closed round. Bytes are summed over the clients; metrics are by client, and the server's model's.

    >>> Round(1, 2.5, 2, 2, 400, 300, {"a": {"accuracy": 0.5}, "b": {"accuracy": 1.0}}).means()
    {'accuracy': 0.75}
    """

    number: int
    seconds: float
    participants: int
    uplinks: int
    bytes_up: int
    bytes_down: int
    clients: Mapping[str, Mapping[str, float | None]]
    server: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RoundRecord, server: Mapping[str, float] | None = None) -> "Round":
        """Return a recorded round, with what the server's model did after it."""
        return cls(
            record.round,
            record.seconds,
            record.participants,
            record.uplinks,
            record.bytes_up,
            record.bytes_down,
            record.clients,
            dict(server or {}),
        )

    def means(self) -> dict[str, float]:
        """Return each metric's mean over the clients that reported it."""
        names = sorted({name for metrics in self.clients.values() for name in metrics})
        found: dict[str, Measured] = {
            name: mean(metrics.get(name) for metrics in self.clients.values()) for name in names
        }
        return {name: value for name, value in found.items() if value is not None}

    def scalars(self) -> dict[str, float]:
        """Return all numbers of the round by names as plots group them: clients/accuracy, server/loss, bytes/up."""
        known = {f"clients/{name}": value for name, value in self.means().items()}
        known |= {f"server/{name}": value for name, value in self.server.items()}
        return known | {"bytes/up": self.bytes_up, "bytes/down": self.bytes_down, "seconds": self.seconds}


Hook = Callable[[Round], None]


def make_hook(name: str | None, folder: Path) -> Hook:
    """Return what is called with each round: a writer by its name, or a user's `package.module:callable`.

    A class is made once, with those of `folder` that it names, and its object is called.

    Raises:
        SettingsError: the writer's library is not installed.
        UserCodeError: the callable cannot be loaded; later, that it raised.
    """
    if name is None:
        return lambda _round: None
    if name in WRITERS:
        try:
            writer: Hook = import_module(f"limbeck_lab.writers.{name}_writer").Writer(folder)
        except ImportError as error:
            raise SettingsError(f"{name} is not installed: {error}", remedy=f"pip install 'limbeck[{name}]'") from error
        return writer
    found = load_plugin(name)
    hook = call_plugin(name, folder=folder) if isinstance(found, type) else found

    def call(closed: Round) -> None:
        try:
            hook(closed)
        except Exception as error:
            raise UserCodeError(
                f"{name} raised {type(error).__name__} on round {closed.number}: {error}",
                remedy="mend it and start again",
            ) from error

    return call
