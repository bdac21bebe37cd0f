"""`limbeck-lab init`: a folder to begin with."""

from importlib.resources import files
from pathlib import Path

import click

from limbeck_common.core.errors import SettingsError
from limbeck_common.support.disk import make_folder


@click.command()
@click.argument("what", type=click.Choice(["method", "site"]))
@click.argument("folder", type=click.Path(path_type=Path))
def init(what: str, folder: Path) -> None:
    """Make a folder with a method or a site of your own, ready to run.

    A method is a class with a test; a site is a data owner's model, data and policy, with a test. Existing files stay.
    """
    templates = sorted((files("limbeck_lab") / "templates" / what).iterdir(), key=lambda each: each.name)
    names = [each.name.removesuffix(".txt") for each in templates]
    if taken := [name for name in names if (folder / name).exists()]:
        raise SettingsError(f"{folder} has {taken[0]} already", expected="a folder without it", remedy="name another")
    make_folder(folder, "FOLDER")
    for name, template in zip(names, templates, strict=True):
        (folder / name).write_text(template.read_text())
    click.echo(f"{folder}: {', '.join(names)}; README.md says how to run them")
