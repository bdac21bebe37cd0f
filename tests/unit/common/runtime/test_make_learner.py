"""A learner from a model's name: a user's own, seeded, or a built-in one; what is missing is named."""

import sys

import numpy as np
import pytest
from torch import nn

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_common.core.spec import Output, Spec
from limbeck_common.runtime.make_learner import make_learner

SPEC = Spec(output=Output(width=3), sample_shape=(1, 4, 4), sample_dtype="|u1", open_rows=5)
ROWS = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)


def own(classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, classes))


def nothing() -> None:
    return None


def test_a_users_module_starts_from_our_seed() -> None:
    first, again, other = (make_learner(f"{__name__}:own", SPEC, seed, "cpu").predict(ROWS) for seed in (1, 1, 2))
    assert first.shape == (2, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_users_callable_that_returns_no_model_is_named() -> None:
    with pytest.raises(UserCodeError, match=r"the model is a NoneType; expected a torch\.nn\.Module"):
        make_learner(f"{__name__}:nothing", SPEC, 1, "cpu")


@pytest.mark.parametrize(
    ("model", "module", "said"),
    [
        (
            "forest",
            "limbeck_common.learning.forest",
            r"model forest needs scikit-learn.*pip install 'limbeck\[sklearn\]'",
        ),
        ("mlp", "limbeck_common.runtime.make_torch_learner", r"needs torch.*pip install 'limbeck\[torch\]'"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    model: str, module: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it then fails
    with pytest.raises(SettingsError, match=said):
        make_learner(model, SPEC, 1, "cpu")
