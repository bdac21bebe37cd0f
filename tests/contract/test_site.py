"""The site builds without a warning, has every page, and documents every public name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    page = (tmp_path / "api" / "index.html").read_text()
    assert [name for name in limbeck.__all__ if name not in page] == []
    assert "blob/main/deploy/federation.toml" in (tmp_path / "index.html").read_text()


def test_every_page_is_in_the_navigation_and_every_public_name_on_the_page() -> None:
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")}
    page = (ROOT / "docs" / "api.md").read_text()
    assert set(re.findall(r"^::: limbeck\.(\w+)$", page, re.MULTILINE)) | {"FLOAT16", "FLOAT32"} == set(limbeck.__all__)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 95


def test_every_command_on_the_pages_is_one() -> None:
    from limbeck_client.cli.main import cli as client  # noqa: PLC0415 - beside each other, by their programs' names
    from limbeck_lab.cli.main import cli as lab  # noqa: PLC0415
    from limbeck_server.cli.main import cli as server  # noqa: PLC0415

    known = {"limbeck-client": client, "limbeck-lab": lab, "limbeck-server": server}
    wrong = []
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.partition("#")[0].split()
                if not words or words[0] not in known or words[1].startswith("-"):
                    continue
                command = known[words[0]].get_command(None, words[1])  # type: ignore[arg-type]
                options = {
                    each for option in getattr(command, "params", []) for each in option.opts + option.secondary_opts
                }
                used = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
                subcommands = getattr(command, "commands", {})
                options |= {each for sub in subcommands.values() for option in sub.params for each in option.opts}
                if command is None or used - options:
                    wrong.append(f"{page.name}: {line}")
    assert wrong == []
