"""The federation's specification: what every client is told, and what a journal must have been begun with."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import DataSpec, MethodSpec, Spec
from limbeck_common.methods.registry import make_method
from limbeck_server.open_data import OpenData
from limbeck_server.settings import Settings


def make_spec(settings: Settings, open_data: OpenData) -> Spec:
    """Return what every client is told."""
    own = bool(settings.open.source or settings.open.digest or settings.open.sample_shape)
    mean, std = _statistics(open_data.data)
    return Spec(
        name=settings.federation.name,
        seed=settings.federation.seed,
        rounds=settings.federation.rounds,
        output=open_data.output,
        sample_shape=open_data.sample_shape,
        sample_dtype=open_data.sample_dtype,
        open_rows=open_data.rows,
        input_mean=mean,
        input_std=std,
        # All options are filled in, so that writing a default out changes nothing.
        method=MethodSpec(name=settings.method.name, options=make_method(settings.method).model_dump(mode="json")),
        data=DataSpec(dataset="own") if own else settings.data,
        recipe=settings.recipe,
    )


def check_same(folder: str, kept: str | None, spec: Spec) -> None:
    """Check that the journal in `folder` was begun with this specification; `kept` is the journal's own, as JSON.

    Raises:
        SettingsError: it was begun with another one; the error names the settings that differ.
    """
    if kept is None or kept == spec.model_dump_json():
        return
    differing = list(_differences(json.loads(kept), json.loads(spec.model_dump_json())))
    raise SettingsError(
        f"{folder} holds the journal of a federation with other settings: {'; '.join(differing[:5])}",
        expected="the settings that it was begun with",
        remedy="restore them, or name a new folder with --store",
    )


def check_same_open_data(folder: str, kept: str | None, digest: str) -> None:
    """Check that the journal in `folder` was begun with the open set of this digest; `kept` is the journal's own.

    Raises:
        SettingsError: it was begun with another one.
    """
    if kept not in {None, digest}:
        raise SettingsError(
            f"{folder} holds the journal of a federation with other open data",
            expected="the open data that it was begun with",
            remedy="restore it, or name a new folder with --store",
        )


def _differences(kept: dict[str, Any], mine: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield each setting that differs, by its dotted name, with both values."""
    for key in sorted(kept.keys() | mine.keys()):
        there, here = kept.get(key), mine.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from _differences(there, here, f"{prefix}{key}.")
        elif there != here:
            yield f"{prefix}{key} was {there!r} and is now {here!r}"


def _statistics(rows: NDArray[Any] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation per channel of byte images, scaled to [0, 1].

    They come from the open rows, which every participant may see, and have six digits, so that a machine's last bit
    does not matter.
    """
    if rows is None or not len(rows) or rows.dtype != np.uint8 or rows.ndim < 2:  # noqa: PLR2004 - rows and a channel
        return (0.0,), (1.0,)
    axes = tuple(axis for axis in range(rows.ndim) if axis != 1)
    mean, std = rows.mean(axis=axes) / 255, rows.std(axis=axes) / 255
    return tuple(round(float(m), 6) for m in mean), tuple(max(round(float(s), 6), 1e-3) for s in std)
