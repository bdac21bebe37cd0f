"""A saved model predicts as the learner did, whatever its library; a file that cannot be used is named."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from support.tiny import Softmax
from torch import nn

from limbeck_common.core.errors import DataError, LimbeckError, SettingsError, UserCodeError
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.runtime.make_participant import make_participant
from limbeck_common.runtime.saved_model import ModelCard, load_model, save_model

RANDOM = np.random.default_rng(0)
IMAGES = Spec(
    output=Output(width=3),
    sample_shape=(1, 8, 8),
    sample_dtype="|u1",
    open_rows=8,
    input_mean=(0.3,),
    input_std=(0.2,),
)
TABLE = Spec(output=Output(width=3), sample_shape=(6,), sample_dtype="<f4", open_rows=8)


def rows(spec: Spec, number: int = 40) -> np.ndarray:
    return RANDOM.uniform(0, 255 if spec is IMAGES else 1, (number, *spec.sample_shape)).astype(spec.sample_dtype)


def trained(model: str, spec: Spec) -> Participant:
    private = Examples(rows(spec), np.arange(40) % 3)
    participant = make_participant(spec, "a", model, ParticipantData(private=private, open=rows(spec, 8)), "cpu")
    participant.fit()
    participant.distill_on(participant.open_rows, np.tile(np.float32([0.2, 0.3, 0.5]), (8, 1)))
    return participant


def boosted() -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=3)


def histograms() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=3)


def logistic() -> LogisticRegression:
    return LogisticRegression()


def norms(classes: int) -> nn.Module:
    """Running averages are saved with the weights, and a shared weight is saved once per name."""
    first, last = nn.Linear(6, 6), nn.Linear(6, classes)
    return nn.Sequential(first, nn.BatchNorm1d(6), nn.Tanh(), first, last)


def softmax(seed: int) -> Softmax:
    return Softmax(seed)


@pytest.mark.parametrize(
    ("model", "spec", "file"),
    [
        ("cnn", IMAGES, "model.safetensors"),
        ("mlp", IMAGES, "model.safetensors"),
        ("forest", IMAGES, "model.skops"),
        (f"{__name__}:norms", TABLE, "model.safetensors"),
        (f"{__name__}:softmax", TABLE, "model.safetensors"),
        (f"{__name__}:boosted", TABLE, "model.skops"),
        (f"{__name__}:histograms", TABLE, "model.skops"),
        (f"{__name__}:logistic", TABLE, "model.skops"),
    ],
)
def test_a_loaded_model_predicts_the_same_bits(model: str, spec: Spec, file: str, tmp_path: Path) -> None:
    participant = trained(model, spec)
    assert save_model(participant, tmp_path / "model") == tmp_path / "model" / file
    loaded = load_model(tmp_path / "model")
    asked = rows(spec, 20)
    assert np.array_equal(loaded.predict(asked), participant.predict_on(asked))
    assert loaded.card.spec == spec
    assert loaded.card.model == model
    test = Examples(asked, np.arange(20) % 3)
    assert loaded.evaluate(test) == Participant(spec, participant.learner, ParticipantData(test=test)).measure()
    assert loaded.predict(asked[:0]).shape == (0, 3)
    assert np.array_equal(load_model(tmp_path / "model" / file).predict(asked), loaded.predict(asked))


@pytest.mark.parametrize(("model", "spec"), [("cnn", IMAGES), (f"{__name__}:norms", TABLE)])
def test_onnx_predicts_the_same_classes_from_raw_rows(model: str, spec: Spec, tmp_path: Path) -> None:
    save_model(trained(model, spec), tmp_path)
    loaded = load_model(tmp_path)
    loaded.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for number in (1, 33):
        asked = rows(spec, number)
        (found,) = session.run(["predictions"], {"rows": asked})
        assert np.abs(found - loaded.predict(asked)).max() < 1e-5
        assert found.argmax(axis=1).tolist() == loaded.predict(asked).argmax(axis=1).tolist()
    assert ModelCard.model_validate_json(session.get_modelmeta().custom_metadata_map["limbeck"]) == loaded.card


def test_a_methods_other_learners_have_folders_of_their_own(tmp_path: Path) -> None:
    participant = trained("mlp", IMAGES)
    student = participant.other("student", "cnn")
    save_model(participant, tmp_path)
    loaded = load_model(tmp_path / "student")
    assert loaded.card.model == "cnn"
    asked = rows(IMAGES, 5)
    assert np.array_equal(loaded.predict(asked), student.predict_on(asked))


class Oracle:
    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.full((len(x), 3), 1 / 3, np.float32)


class Refitted(Softmax):
    def remember(self, examples: Examples) -> None:
        self.examples = examples


def test_what_has_learned_nothing_is_not_saved_and_what_cannot_be_is_refused(tmp_path: Path) -> None:
    assert save_model(Participant(TABLE, Oracle(), ParticipantData()), tmp_path) is None
    with pytest.raises(UserCodeError, match="Refitted fits its private rows again to predict: it cannot be saved"):
        save_model(Participant(TABLE, Refitted(1), ParticipantData()), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (np.zeros((2, 8, 8), np.uint8), r"rows of shape \[2, 8, 8\]; expected \[rows, 1, 8, 8\] of type |u1"),
        (np.zeros((2, 1, 8, 8), np.float32), "rows of type float32; .*; pass rows as the clients' data has them"),
    ],
)
def test_rows_of_another_form_are_refused(asked: np.ndarray, said: str, tmp_path: Path) -> None:
    save_model(trained("mlp", IMAGES), tmp_path)
    with pytest.raises(DataError, match=said):
        load_model(tmp_path).predict(asked)


@pytest.mark.parametrize("file", ["model.safetensors", "model.skops"])
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"\0" * 100])
def test_a_damaged_file_is_named(file: str, spoil: object, tmp_path: Path) -> None:
    save_model(trained(f"{__name__}:norms" if file.endswith("tensors") else f"{__name__}:boosted", TABLE), tmp_path)
    path = tmp_path / file
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=f"{path} is damaged"):
        load_model(tmp_path)


def test_a_model_that_is_not_there_or_needs_another_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no model in .*; expected model\.safetensors or model\.skops"):
        load_model(tmp_path)
    save_model(trained(f"{__name__}:norms", TABLE), tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b":norms", b":wider"))
    with pytest.raises(UserCodeError, match=r"the weights in .* do not fit .*:wider"):
        load_model(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"limbeck"', b'"alimbec"'))
    with pytest.raises(DataError, match="no model card of this version"):
        load_model(tmp_path)


def wider(classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 7), nn.Linear(7, classes))


class Named(DecisionTreeClassifier):
    """A class of a user's own: skops holds it, and whoever loads it has to trust it."""


def named() -> Named:
    return Named()


def test_a_type_that_is_not_scikit_learns_must_be_trusted(tmp_path: Path) -> None:
    save_model(trained(f"{__name__}:named", TABLE), tmp_path)
    with pytest.raises(UserCodeError, match=r"holds types that are not scikit-learn's: .*Named; if you trust them"):
        load_model(tmp_path)
    assert load_model(tmp_path, trusted=[f"{__name__}.Named"]).predict(rows(TABLE, 4)).shape == (4, 3)


def test_only_torch_models_become_onnx_and_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(trained("forest", IMAGES), tmp_path)
    with pytest.raises(UserCodeError, match=r"forest is not a torch model; .*skl2onnx"):
        load_model(tmp_path).export_onnx(tmp_path / "model.onnx")
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    with pytest.raises(SettingsError, match=r"kept by skops: .*; pip install 'limbeck\[sklearn\]'"):
        load_model(tmp_path)
    assert issubclass(SettingsError, LimbeckError)
