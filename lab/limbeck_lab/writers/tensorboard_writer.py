"""Each round's numbers as TensorBoard's scalars."""

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from limbeck_lab.run.on_round import Round


class Writer:
    """Writes event files into the run's folder `tensorboard`: `tensorboard --logdir runs` shows them."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def __call__(self, closed: Round) -> None:
        """Write a round."""
        for name, value in closed.scalars().items():
            self._writer.add_scalar(name, value, closed.number)
        self._writer.flush()
