"""The server's own model in its worker: what goes wrong on the way there is a line with a remedy."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from support.federations import SPEC

from limbeck_common.core.errors import SetupError
from limbeck_common.core.messages import Aggregate, Rows, soft_labels
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_server.aggregation.server_model import WorkerServerModel


async def test_a_folder_that_cannot_take_the_uplinks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    block = soft_labels(Rows(np.array([0])), np.full((1, 3), 1 / 3, np.float32))
    model = WorkerServerModel(WorkerProcess(), SPEC, "mlp")
    with pytest.raises(SetupError, match="the uplinks of round 3 cannot be handed to the server's own model: No such"):
        await model.refine(3, Aggregate({"": block}), iter([("a", block)]))
