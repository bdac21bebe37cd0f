"""The open data as the settings name it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import MethodError, SettingsError
from limbeck_common.core.spec import Output
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.datasets.registry import load_participant, output_of
from limbeck_common.methods.registry import METHODS, make_method
from limbeck_common.support.plugins import call_plugin
from limbeck_server.settings import Settings


@dataclass(frozen=True, eq=False)
class OpenData:
    """The open set as the server knows it: its digest, its shape and, where the server sends it, its rows."""

    digest: bytes
    output: Output
    rows: int
    sample_shape: tuple[int, ...]
    sample_dtype: str
    data: NDArray[Any] | None


def find_open_data(settings: Settings) -> OpenData:
    """Return the open data that the settings name.

    Raises:
        DataError, UserCodeError: the open data is missing or unusable.
        SettingsError: the settings name no open data.
        MethodError: the settings give the shape alone, and the method needs open rows.
    """
    given = settings.open
    if given.digest:
        if settings.model.name != "none":
            raise SettingsError(
                f"the server's own model, {settings.model.name}, has no open rows: open.digest only names them",
                expected='open.source, which brings them, or model.name = "none"',
            )
        return OpenData(
            bytes.fromhex(given.digest), settings.output, given.rows, given.sample_shape, given.sample_dtype, None
        )
    if given.source is None and given.sample_shape:
        return _no_open_rows(settings)
    if given.source is not None:
        data = call_plugin(given.source, part=None, seed=settings.federation.seed)
        output = settings.output
    elif settings.data.dataset != "own":
        data = load_participant(settings.data, settings.federation.seed, None, settings.data_dir)
        output = output_of(settings.data)
    else:
        raise SettingsError(
            "the federation has no open data",
            expected="[data] dataset, [open] source or [open] digest; for methods that need none, [open] sample_shape",
        )
    if not isinstance(data, ParticipantData) or data.open is None:
        raise SettingsError(f"{given.source} returned no open data", expected="a ParticipantData with open rows")
    rows = data.open
    if not isinstance(rows, np.ndarray) or rows.ndim < 2 or not len(rows) or rows.dtype.kind not in "buif":  # noqa: PLR2004 - rows and features
        raise SettingsError(
            f"{given.source} returned open rows that cannot be used: {type(rows).__name__}"
            + (f" of type {rows.dtype} and shape {list(rows.shape)}" if isinstance(rows, np.ndarray) else ""),
            expected="a NumPy array of numbers, at least one row, shape [rows, ...]",
        )
    served = rows if given.served else None
    return OpenData(open_digest(rows), output, len(rows), rows.shape[1:], rows.dtype.newbyteorder("<").str, served)


def _no_open_rows(settings: Settings) -> OpenData:
    given = settings.open
    if make_method(settings.method).needs_open:
        others = ", ".join(sorted(name for name, kind in METHODS.items() if not kind.needs_open))
        raise MethodError(
            f"method {settings.method.name} needs open rows, and [open] gives their shape alone",
            expected=f"open.source or open.digest beside it, or a method that needs none: {others}",
        )
    rows = np.zeros((0, *given.sample_shape), given.sample_dtype)
    return OpenData(open_digest(rows), settings.output, 0, given.sample_shape, given.sample_dtype, rows)
