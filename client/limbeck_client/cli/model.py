"""`limbeck-client predict` and `export`: use a model that a federation has trained."""

import sys
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError, SettingsError
from limbeck_common.runtime.make_data import make_data
from limbeck_common.runtime.saved_model import TrainedModel, load_model
from limbeck_common.support.disk import writing

_folder = click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path))
_trust = click.option("--trust", multiple=True, metavar="TYPE", help="Type in model.skops that is not scikit-learn's.")


@click.command()
@_folder
@click.option(
    "--rows", metavar="FILE.npy", type=click.Path(path_type=Path), help="Raw rows, [rows, ...], as the data has them."
)
@click.option(
    "--out",
    metavar="FILE.npy",
    type=click.Path(path_type=Path),
    help="Write predictions there, [rows, outputs].  [default: a line of CSV per row]",
)
@click.option("--data", metavar="MODULE:CALLABLE", help="Measure the model on the test rows of your own data.")
@click.option("--part", type=int, help="Measure it on the test rows of this part of the built-in data set.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the built-in data sets.")
@click.option("--device", default="cpu", show_default=True, help="Device of a torch model.")
@_trust
def predict(  # noqa: PLR0913, PLR0917 - one parameter per option
    folder: Path,
    rows: Path | None,
    out: Path | None,
    data: str | None,
    part: int | None,
    data_dir: Path | None,
    device: str,
    trust: tuple[str, ...],
) -> None:
    """Predict rows with a trained model, or measure it.

    MODEL is the folder that `join --out` wrote, or one below models/ of a simulation. Scaling is the model's own: rows
    go in raw, as the federation's data has them.
    """
    if (rows is None) == (data is None and part is None):
        raise SettingsError("nothing to predict, or two things", expected="--rows, or one of --data and --part")
    model = load_model(folder, device, trust)
    if rows is None:
        _measure(model, data, part, data_dir)
        return
    predictions = model.predict(_read(rows))
    if out is None:
        np.savetxt(sys.stdout, predictions.reshape(len(predictions), -1), "%.6g", ",")
        return
    with writing(out, "--out"):
        np.save(out, predictions)
    click.echo(f"{len(predictions)} predictions of shape {list(predictions.shape[1:])}: {out}")


@click.command()
@_folder
@click.argument("file", metavar="FILE.onnx", type=click.Path(path_type=Path))
def export(folder: Path, file: Path) -> None:
    """Write a trained model as ONNX.

    MODEL is the folder of a torch model. The graph's input `rows` takes raw rows, any number of them; its output is
    `predictions`. Scaling is part of the graph.
    """
    model = load_model(folder)
    with writing(file, "FILE.onnx"):
        model.export_onnx(file)
    click.echo(f"{model.card.model}: {file}")


def _measure(model: TrainedModel, data: str | None, part: int | None, data_dir: Path | None) -> None:
    test = make_data(data, model.card.spec, part, data_dir).test
    if test is None:
        raise DataError("the data has no test rows", expected="a ParticipantData with test examples")
    for name, value in model.evaluate(test).items():
        click.echo(f"{name} {value:.4f}")


def _read(file: Path) -> NDArray[np.generic]:
    try:
        rows: NDArray[np.generic] = np.load(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}", expected="an array of rows that numpy.save wrote") from error
    except ValueError as error:
        raise DataError(
            f"{file} is not a .npy file of numbers",
            expected="an array of rows that numpy.save wrote",
            remedy='from CSV: numpy.save("rows.npy", numpy.loadtxt("rows.csv", delimiter=","))',
        ) from error
    return rows
