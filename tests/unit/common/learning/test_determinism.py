"""A GPU gives the same bits twice; what was set before is set again."""

import numpy as np
import pytest
import torch

from limbeck_common.core.recipe import Fit
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.determinism import deterministic
from limbeck_common.learning.networks.models import build_model
from limbeck_common.learning.torch_learner import TorchLearner


def test_what_was_set_is_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic
    with deterministic(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_trains_to_the_same_bits_twice() -> None:
    spec = Spec(output=Output(width=10), sample_shape=(3, 16, 16), sample_dtype="|u1", open_rows=0)
    rows = np.random.default_rng(0).integers(0, 256, (200, 3, 16, 16), dtype=np.uint8)

    def weights() -> dict[str, np.ndarray]:
        learner = TorchLearner(lambda: build_model("resnet8", (3, 16, 16), 10), spec, 0, torch.device("cuda"))
        learner.fit(Examples(rows, np.arange(200) % 10), Fit(epochs=3))
        return learner.parameters()

    first, again = weights(), weights()
    assert all(np.array_equal(value, again[name]) for name, value in first.items())
