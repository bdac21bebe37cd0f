"""From the name of a data source to a participant's data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError, UserCodeError
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.registry import OWN, load_participant
from limbeck_common.support.plugins import call_plugin


def make_data(source: str | None, spec: Spec, part: int | None, root: Path | None = None) -> ParticipantData:
    """Return a participant's data: from the user's `package.module:callable`, else from the built-in data set.

    `part` says whose private rows; None for the server, which has none. If the federation has no open rows, every
    participant gets the empty open set.

    Raises:
        DataError: the data is missing or unusable.
        UserCodeError: the user's callable fails, or returns something else.
    """
    data = _find_data(source, spec, part, root)
    if data.open is None and not spec.open_rows:
        return replace(data, open=np.zeros((0, *spec.sample_shape), spec.sample_dtype))
    return data


def _find_data(source: str | None, spec: Spec, part: int | None, root: Path | None) -> ParticipantData:
    if source is not None:
        data = call_plugin(source, part=part, seed=spec.seed)
        if not isinstance(data, ParticipantData):
            raise UserCodeError(f"{source} returned a {type(data).__name__}", expected="a ParticipantData")
        check_data(data, spec)
        return data
    if spec.data.dataset == OWN:
        if part is None and not spec.open_rows:  # the server, of which no rows are needed
            return ParticipantData()
        raise DataError(
            "the federation has no built-in data set", remedy="name your data: --data package.module:callable"
        )
    return load_participant(spec.data, spec.seed, part, root)


def check_data(data: ParticipantData, spec: Spec) -> None:
    """Check that a participant's rows have the form of the open rows, and that its targets are those of the task.

    Raises:
        DataError: they do not, or they are not.
    """
    labelled = None
    if data.open is not None and data.open_labels is not None:
        labelled = Examples(data.open, data.open_labels)
    for what, examples in (
        ("private", data.private),
        ("test", data.test),
        ("local test", data.local_test),
        ("open", labelled),
    ):
        if examples is None:
            continue
        found = (np.dtype(examples.x.dtype).newbyteorder("<").str, tuple(examples.x.shape[1:]))
        if found != (spec.sample_dtype, spec.sample_shape):
            raise DataError(
                f"{what} rows of type {found[0]} and shape {list(found[1])}",
                expected=f"type {spec.sample_dtype} and shape {list(spec.sample_shape)}, as the open rows have",
                remedy="bring your rows to that form in your data callable",
            )
        _check_targets(what, examples.y, spec.output)


def _check_targets(what: str, y: NDArray[Any], output: Output) -> None:
    """Check that targets are what a model is to predict: classes, labels of 0 and 1, or numbers."""
    classes = output.task == "classification"
    row_shape = output.shape if classes else output.row_shape
    if y.shape[1:] != row_shape:
        raise DataError(
            f"{what} labels of shape {list(y.shape)} for {output.task}",
            expected=f"[{', '.join(map(str, ('rows', *row_shape)))}]",
        )
    most = {"classification": output.width - 1, "multilabel": 1}.get(output.task)
    wanted = "numbers" if most is None else f"{'whole ' if classes else ''}labels 0 to {most}"
    if not len(y):
        raise DataError(f"{what} labels without a row", expected=f"at least one row, and {wanted}")
    bad = not np.all(np.isfinite(y)) or (classes and y.dtype.kind not in "iub")
    if bad or (most is not None and (y.min() < 0 or y.max() > most)):
        raise DataError(f"{what} labels {y.min()} to {y.max()} of type {y.dtype}", expected=wanted)
