"""Each round's numbers as a run of Weights & Biases."""

import os
from pathlib import Path
from typing import Any

import wandb

from limbeck_lab.run.on_round import Round


class Writer:
    """Logs to the project `limbeck`, or to that of WANDB_PROJECT; WANDB_MODE=offline keeps all in the run's folder."""

    def __init__(self, folder: Path) -> None:
        self._run: Any = wandb.init(dir=folder, name=folder.name, project=os.environ.get("WANDB_PROJECT", "limbeck"))

    def __call__(self, closed: Round) -> None:
        """Log a round."""
        self._run.log(closed.scalars(), step=closed.number)
