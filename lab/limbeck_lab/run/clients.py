"""The lab's clients: their names, models and shares."""

from dataclasses import dataclass

from limbeck_common.core.spec import Spec
from limbeck_common.runtime.requests import Setup
from limbeck_server.settings import Settings


@dataclass(frozen=True)
class Client:
    """One client of a lab run: its private rows are share `part` of the data set, counted from 0."""

    name: str
    model: str
    part: int

    def setup(self, spec: Spec, settings: Settings) -> Setup:
        """Return what a worker needs to make this client."""
        return Setup(
            participant=self.name,
            spec=spec,
            model=self.model,
            data=settings.open.source,
            data_dir=settings.data_dir,
            part=self.part,
            device=settings.model.device,
        )


def make_clients(models: tuple[str, ...], count: int) -> list[Client]:
    """Return `count` clients that take the models in turn.

    >>> [client.model for client in make_clients(("cnn", "mlp"), 3)]
    ['cnn', 'mlp', 'cnn']
    """
    width = len(str(count - 1))
    return [Client(f"client-{part:0{width}}", models[part % len(models)], part) for part in range(count)]
