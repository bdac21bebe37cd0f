"""Settings to objects: the specification, the rules, the open data, the server's own model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import MethodError, SettingsError
from limbeck_common.core.messages import SERVER, Shapes
from limbeck_common.core.spec import DataSpec, Spec
from limbeck_common.datasets.registry import ParticipantData, classes_of, load_participant, open_digest
from limbeck_common.methods.method import Method
from limbeck_common.methods.registry import METHODS, make_method
from limbeck_common.runtime.assemble import BUILT_IN
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.support.plugins import call_plugin, is_plugin
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.server_model import WorkerServerModel
from limbeck_server.settings import Count, Settings, Time


@dataclass(frozen=True, eq=False)
class OpenData:
    """The open set as the server knows it: its name, its shape and, where the server has it, its rows."""

    digest: bytes
    classes: int
    rows: int
    sample_shape: tuple[int, ...]
    sample_dtype: str
    data: NDArray[Any] | None


def find_open_data(settings: Settings) -> OpenData:
    """Return the open data that the settings name.

    Raises:
        DataError, UserCodeError: it is missing or unusable.
        SettingsError: the settings name none.
        MethodError: they give the shape alone, and the method needs open rows.
    """
    given = settings.open
    if given.digest:
        if settings.model.name != "none":
            raise SettingsError(
                f"the server's own model, {settings.model.name}, has no open rows: open.digest only names them",
                expected='open.source, which brings them, or model.name = "none"',
            )
        return OpenData(
            bytes.fromhex(given.digest), given.classes, given.rows, given.sample_shape, given.sample_dtype, None
        )
    if given.source is None and given.sample_shape:
        return _no_open_rows(settings)
    if given.source is not None:
        data = call_plugin(given.source, part=None, seed=settings.federation.seed)
        classes = given.classes
    elif settings.data.dataset != "own":
        data = load_participant(settings.data, settings.federation.seed, None, settings.data_dir)
        classes = classes_of(settings.data)
    else:
        raise SettingsError(
            "the federation has no open data",
            expected="[data] dataset, [open] source or [open] digest; for methods that need none, [open] sample_shape",
        )
    if not isinstance(data, ParticipantData) or data.open is None:
        raise SettingsError(f"{given.source} gave no open data", expected="a ParticipantData with open rows")
    rows = data.open
    if not isinstance(rows, np.ndarray) or rows.ndim < 2 or not len(rows) or rows.dtype.kind not in "buif":  # noqa: PLR2004 - rows and features
        raise SettingsError(
            f"{given.source} gave open rows that cannot be used: {type(rows).__name__}"
            + (f" of type {rows.dtype} and shape {list(rows.shape)}" if isinstance(rows, np.ndarray) else ""),
            expected="a NumPy array of numbers, at least one row, shape [rows, ...]",
        )
    served = rows if given.served else None
    return OpenData(open_digest(rows), classes, len(rows), rows.shape[1:], rows.dtype.newbyteorder("<").str, served)


def _no_open_rows(settings: Settings) -> OpenData:
    given = settings.open
    if make_method(settings.method).needs_open:
        others = ", ".join(sorted(name for name, kind in METHODS.items() if not kind.needs_open))
        raise MethodError(
            f"method {settings.method.name} needs open rows, and [open] gives their shape alone",
            expected=f"open.source or open.digest beside it, or a method that needs none: {others}",
        )
    rows = np.zeros((0, *given.sample_shape), given.sample_dtype)
    return OpenData(open_digest(rows), given.classes, 0, given.sample_shape, given.sample_dtype, rows)


def make_spec(settings: Settings, open_data: OpenData) -> Spec:
    """Return what every client is told."""
    own = bool(settings.open.source or settings.open.digest or settings.open.sample_shape)
    mean, std = _statistics(open_data.data)
    return Spec(
        name=settings.federation.name,
        seed=settings.federation.seed,
        rounds=settings.federation.rounds,
        classes=open_data.classes,
        sample_shape=open_data.sample_shape,
        sample_dtype=open_data.sample_dtype,
        open_rows=open_data.rows,
        input_mean=mean,
        input_std=std,
        method=settings.method,
        data=DataSpec(dataset="own") if own else settings.data,
        recipe=settings.recipe,
    )


def make_machine(settings: Settings) -> Machine:
    """Return the round machine with the federation's rules."""
    return Machine(
        rounds=settings.federation.rounds,
        seed=settings.federation.seed,
        lobby=_bounds(settings.lobby.count, settings.lobby.time),
        round=_bounds(settings.round.count, settings.round.time),
        sample_ratio=settings.round.sample_ratio,
        extensions=settings.round.extensions,
    )


async def make_models(
    settings: Settings, spec: Spec, method: Method, worker_process: WorkerProcess
) -> dict[str, Shapes]:
    """Return the architectures whose parameters the method takes, by group; none for methods of predictions.

    Raises:
        MethodError: the method needs the server's own model, and the settings want none.
        UserCodeError: the worker could not build one.
    """
    wanted = method.architectures(settings.model.name)
    if settings.model.name == "none" and (method.refines or "none" in wanted.values()):
        raise MethodError(
            f"method {settings.method.name} needs the server's own model", remedy="name one: [model] name = ..."
        )
    models: dict[str, Shapes] = {}
    for group, model in wanted.items():
        answer, _ = await worker_process.order(
            {"do": "shapes", "participant": SERVER, "spec": spec.model_dump_json(), "model": model}
        )
        models[group] = {name: tuple(shape) for name, shape in answer["shapes"].items()}
    return models


async def make_server_model(settings: Settings, spec: Spec, worker_process: WorkerProcess) -> WorkerServerModel | None:
    """Return the server's own model in `worker_process`; None where the settings want none.

    Raises:
        SettingsError: there is no such model.
        UserCodeError: the worker could not build it.
    """
    name = settings.model.name
    if name == "none":
        return None
    if name not in BUILT_IN and not is_plugin(name):
        raise SettingsError(
            f"unknown model {name!r}", expected=f"one of {', '.join(BUILT_IN)}, package.module:callable, or none"
        )
    await worker_process.order(
        {
            "do": "open",
            "participant": SERVER,
            "spec": spec.model_dump_json(),
            "model": name,
            "data": settings.open.source,
            "data_dir": str(settings.data_dir) if settings.data_dir else None,
            "part": None,
            "device": settings.model.device,
        }
    )
    return WorkerServerModel(worker_process, spec, name)


def _bounds(count: Count, time: Time) -> Bounds:
    return Bounds(count.min, count.max, time.min, time.max)


def _statistics(rows: NDArray[Any] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation a channel of images given as bytes, on the scale 0 .. 1.

    Taken from the open rows, which every participant may see; six digits, so that no machine's last bit matters.
    """
    if rows is None or not len(rows) or rows.dtype != np.uint8 or rows.ndim < 2:  # noqa: PLR2004 - rows and a channel
        return (0.0,), (1.0,)
    axes = tuple(axis for axis in range(rows.ndim) if axis != 1)
    mean, std = rows.mean(axis=axes) / 255, rows.std(axis=axes) / 255
    return tuple(round(float(m), 6) for m in mean), tuple(max(round(float(s), 6), 1e-3) for s in std)
