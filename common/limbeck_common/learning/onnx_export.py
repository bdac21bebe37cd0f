"""A torch module as an ONNX file, with the scaling of its inputs and the last softmax inside. This imports torch."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from limbeck_common.core.errors import SettingsError, UserCodeError
from limbeck_common.core.spec import Spec
from limbeck_common.learning.losses import predictions, scores_of
from limbeck_common.learning.torch_learner import channel_scaling, standardised


class _RawToPredictions(nn.Module):
    """Raw rows in, predictions out."""

    def __init__(self, module: nn.Module, spec: Spec) -> None:
        super().__init__()
        self.module = module
        self._task = spec.output.task
        self._mean, self._deviation = channel_scaling(spec, torch.device("cpu"))

    def forward(self, rows: Tensor) -> Tensor:
        """Return predictions, [rows, *row_shape]."""
        scores = scores_of(self.module(standardised(rows, self._mean, self._deviation)))
        return predictions(self._task, scores.float())


def export_onnx(module: nn.Module, spec: Spec, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a module as ONNX; its input is `rows`, of the federation's type, its output `predictions`.

    Raises:
        SettingsError: onnx or onnxscript is not installed.
        UserCodeError: the module has an operation that cannot be exported.
    """
    example = torch.zeros((2, *spec.sample_shape), dtype=getattr(torch, _torch_type(spec.sample_dtype)))
    wrapped = _RawToPredictions(copy.deepcopy(module), spec).cpu().eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own, about its own libraries
            program = torch.onnx.export(
                wrapped,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["rows"],
                output_names=["predictions"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
            )
    except ImportError as error:
        raise SettingsError(f"ONNX export: {error}", remedy="pip install 'limbeck[onnx]'") from error
    except Exception as error:  # the exporter raises many kinds, for the user's own module
        said = " ".join(str(error).split())[:300]
        raise UserCodeError(f"the model cannot be exported: {type(error).__name__}: {said}") from error
    if program is None:
        raise UserCodeError("the model cannot be exported")
    program.model.metadata_props.update(metadata)
    program.save(path)


def _torch_type(numpy_type: str) -> str:
    names = {"|u1": "uint8", "<f4": "float32", "<f8": "float64", "<i4": "int32", "<i8": "int64", "|i1": "int8"}
    if numpy_type not in names:
        raise UserCodeError(f"rows of type {numpy_type} cannot be an ONNX input", expected=", ".join(names))
    return names[numpy_type]
