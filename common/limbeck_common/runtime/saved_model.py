"""A trained model as a folder: its weights, and all that it takes to use them. No pickle is written or read.

`model.safetensors` holds a torch model's parameters, or the state of a learner of one's own; `model.skops` holds an
estimator of scikit-learn's. Either has a `ModelCard`, which names the model and has the federation's specification,
with the scaling of inputs. Further learners of a method's, such as a student, have folders of their own inside.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from limbeck_common.core.errors import DataError, SettingsError, UserCodeError
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import Learner, LearnerState, Predictor, Refitter, WeightLearner, check_shape
from limbeck_common.learning.metrics import evaluate
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.sklearn_learner import SklearnLearner
from limbeck_common.runtime.make_learner import make_learner

_CARD = "limbeck"  # the entry of a file that holds the card
_TENSORS, _ESTIMATOR = "model.safetensors", "model.skops"
_PARTS_OF_ESTIMATORS = (  # scikit-learn's modules whose types skops does not trust by itself; none runs a file's code
    "sklearn._loss.",
    "sklearn.calibration.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.gaussian_process.",
    "sklearn.metrics._dist_metrics.",
    "sklearn.neighbors.",
    "sklearn.neural_network.",
    "sklearn.tree._tree.",
)


class ModelCard(BaseModel):
    """What a model file says of itself: `model` is a built-in one's name, or package.module:callable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    holds: Literal["parameters", "state", "estimator"]
    spec: Spec


class TrainedModel:
    """A model that a federation has trained: see `load_model`.

    >>> import tempfile
    >>> from limbeck_common.core.spec import Output
    >>> from limbeck_common.datasets.examples import ParticipantData
    >>> from limbeck_common.runtime.make_participant import make_participant
    >>> spec = Spec(output=Output(width=2), sample_shape=(1, 4, 4), sample_dtype="|u1", open_rows=0)
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = save_model(make_participant(spec, "a", "mlp", ParticipantData(), "cpu"), folder)
    >>> load_model(folder).predict(np.zeros((3, 1, 4, 4), np.uint8)).shape
    (3, 2)
    """

    def __init__(self, learner: Predictor, card: ModelCard) -> None:
        self.learner = learner
        self.card = card

    def predict(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return predictions of raw rows, as the federation's data has them: scaling is the model's own.

        `rows` have the shape [rows, *sample_shape]. The predictions have the shape [rows, *row_shape]: class
        probabilities, label probabilities, or numbers.

        Raises:
            DataError: the rows have another shape, or another type.
        """
        spec = self.card.spec
        expected = f"[rows, {', '.join(map(str, spec.sample_shape))}] of type {spec.sample_dtype}"
        if rows.shape[1:] != spec.sample_shape:
            raise DataError(f"rows of shape {list(rows.shape)}", expected=expected)
        if rows.dtype.kind == np.dtype(spec.sample_dtype).kind == "f":  # float64, as most readers of text files give
            rows = rows.astype(spec.sample_dtype)
        if rows.dtype.newbyteorder("<") != np.dtype(spec.sample_dtype):
            raise DataError(
                f"rows of type {rows.dtype}", expected=expected, remedy="pass rows as the clients' data has them"
            )
        if not len(rows):
            return np.zeros((0, *spec.output.row_shape), np.float32)
        predictions = np.asarray(self.learner.predict(rows), np.float32)
        check_shape(predictions, len(rows), spec.output.row_shape)
        return predictions

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """Return the metrics that clients report, such as accuracy and loss, on labelled raw rows."""
        return evaluate(self.learner, examples, self.card.spec.output)

    def export_onnx(self, path: Path) -> None:
        """Write a torch model as ONNX: raw rows go in, predictions come out, for any number of rows.

        Raises:
            SettingsError: a library that it takes is not installed.
            UserCodeError: the model is not a torch model, or has an operation that ONNX does not know.
        """
        try:
            from limbeck_common.learning.onnx_export import export_onnx  # noqa: PLC0415 - imports torch
            from limbeck_common.learning.torch_learner import TorchLearner  # noqa: PLC0415 - imports torch
        except ImportError as error:
            raise SettingsError(f"ONNX export needs torch: {error}", remedy="pip install 'limbeck[onnx]'") from error
        if not isinstance(self.learner, TorchLearner):
            raise UserCodeError(
                f"{self.card.model} is not a torch model",
                expected="a torch model",
                remedy="skl2onnx converts estimators of scikit-learn's",
            )
        export_onnx(self.learner.module, self.card.spec, path, {_CARD: self.card.model_dump_json()})


def save_model(participant: Participant, folder: Path) -> Path | None:
    """Write a participant's model, and the further ones of its method, and return the file of the first.

    A model that only predicts has learned nothing, so nothing is written, and None returned.

    Raises:
        OSError: the folder cannot be written.
        SettingsError: skops, which writes estimators, is not installed.
        UserCodeError: the learner cannot be saved: it predicts with its private rows, or skops does not know it.
    """
    for name, other in participant.others.items():
        save_model(other, folder / name)
    learner = participant.learner

    def card(holds: Literal["parameters", "state", "estimator"]) -> dict[str, str]:
        made = ModelCard(model=participant.model, holds=holds, spec=participant.spec)
        return {_CARD: made.model_dump_json()}

    if isinstance(learner, SklearnLearner):
        return _save_estimator(learner, folder, card("estimator"))
    if isinstance(learner, WeightLearner):
        return _save_tensors(learner.parameters(), folder, card("parameters"))
    if isinstance(learner, Refitter):
        raise UserCodeError(
            f"{type(learner).__name__} fits its private rows again to predict: it cannot be saved without them",
            remedy="let its state hold what it predicts with, and drop `remember`",
        )
    if isinstance(learner, Learner):
        return _save_tensors(learner.state(), folder, card("state"))
    return None


def load_model(folder: Path | str, device: str = "cpu", trusted: Sequence[str] = ()) -> TrainedModel:
    """Return the model that a client, a simulation or the server left in a folder, ready to predict.

    A model of one's own is built by the callable that its card names, which must be importable. `trusted` names types
    of a library beside scikit-learn that `model.skops` may hold.

    >>> from limbeck_common.runtime.saved_model import load_model
    >>> load_model("runs/no-such-run")
    Traceback (most recent call last):
    ...
    limbeck_common.core.errors.DataError: no model in runs/no-such-run; expected model.safetensors or model.skops

    Raises:
        DataError: there is no model, or its file is damaged.
        SettingsError: a library that it takes is not installed, or there is no such device.
        UserCodeError: the model's callable fails, or the file holds a type that is not trusted.
    """
    folder = Path(folder)
    files = [folder / _TENSORS, folder / _ESTIMATOR, folder]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise DataError(f"no model in {folder}", expected=f"{_TENSORS} or {_ESTIMATOR}")
    if found.suffix == ".skops":
        return _load_estimator(found, trusted)
    return _load_tensors(found, device)


def _save_tensors(tensors: LearnerState, folder: Path, card: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / _TENSORS, card)
    return folder / _TENSORS


def _load_tensors(file: Path, device: str) -> TrainedModel:
    try:
        with safe_open(file, "numpy") as opened:
            card = _read_card(file, (opened.metadata() or {}).get(_CARD))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise DataError(f"{file} is damaged: {error}", expected="a file that limbeck wrote") from error
    learner = make_learner(card.model, card.spec, 0, device)
    try:
        if card.holds == "parameters" and isinstance(learner, WeightLearner):
            learner.load_parameters(tensors)
        elif card.holds == "state" and isinstance(learner, Learner):
            learner.load_state(tensors)
        else:
            raise UserCodeError(f"{card.model} is not a model that has {card.holds}")
    except (KeyError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserCodeError(
            f"the weights in {file} do not fit {card.model}: {said}", expected="the model that was trained"
        ) from error
    return TrainedModel(learner, card)


def _save_estimator(learner: SklearnLearner, folder: Path, card: dict[str, str]) -> Path:
    estimator, seen = learner.fitted()
    skops = _skops()
    folder.mkdir(parents=True, exist_ok=True)
    skops.dump(card | {"estimator": estimator, "classes": seen}, folder / _ESTIMATOR)
    return folder / _ESTIMATOR


def _load_estimator(file: Path, trusted: Sequence[str]) -> TrainedModel:
    skops = _skops()
    try:
        named = skops.get_untrusted_types(file=file)
        unknown = [each for each in named if each not in trusted and not each.startswith(_PARTS_OF_ESTIMATORS)]
        if unknown:
            raise UserCodeError(
                f"{file} holds types that are not scikit-learn's: {', '.join(sorted(unknown))}",
                remedy="if you trust them, pass them as `trusted`",
            )
        content = skops.load(file, trusted=named)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(f"{file} is damaged: {error}", expected="a file that limbeck wrote") from error
    card = _read_card(file, content.get(_CARD))
    learner = SklearnLearner(content["estimator"], card.spec.output)
    learner.load_fitted(content["estimator"], content["classes"])
    return TrainedModel(learner, card)


def _read_card(file: Path, text: str | None) -> ModelCard:
    try:
        return ModelCard.model_validate_json(text or "")
    except ValidationError as error:
        raise DataError(f"{file} has no model card of this version", expected="a file that limbeck wrote") from error


def _skops() -> Any:
    try:
        import skops.io  # noqa: PLC0415 - comes with scikit-learn's extra
    except ImportError as error:
        raise SettingsError(
            f"a model of scikit-learn's is kept by skops: {error}", remedy="pip install 'limbeck[sklearn]'"
        ) from error
    return skops.io
