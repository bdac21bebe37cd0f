"""Processes of a lab run: their lines, their logs and their ends."""

import asyncio
from pathlib import Path

import pytest

from limbeck_common.core.errors import SetupError
from limbeck_lab.run.processes.program import Program

TALKS = "import sys; print('first'); print('second'); sys.stderr.write('a\\nb\\nc\\nd\\ne\\nf\\n'); sys.exit({code})"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that a started process finds by the name `spoken`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LIMBECK_ROUND__TIME__MAX", "1")
    monkeypatch.setenv("LIMBECK_DATA", "here")
    return tmp_path / "spoken.py"


def test_lines_are_read_and_the_log_keeps_standard_error(module: Path) -> None:
    module.write_text(TALKS.format(code=0))

    async def work() -> Program:
        program = await Program.start("it", "spoken", [], module.parent / "logs" / "it.log")
        assert await program.first_line() == "first"
        assert [line async for line in program.lines()] == ["second"]
        await program.finish()
        await program.stop()
        return program

    program = asyncio.run(work())
    assert program.log.read_text() == "a\nb\nc\nd\ne\nf\n"
    assert program.last_words() == "b | c | d | e | f"


def test_an_error_status_is_reported_with_the_end_of_the_log(module: Path) -> None:
    module.write_text(TALKS.format(code=3))

    async def work() -> None:
        program = await Program.start("the server", "spoken", [], module.parent / "it.log")
        with pytest.raises(SetupError, match=r"the server ended with status 3: b \| c \| d \| e \| f; see .*it.log"):
            await program.finish()

    asyncio.run(work())


def test_a_process_that_writes_no_line_did_not_start(module: Path) -> None:
    module.write_text("pass")

    async def work() -> None:
        program = await Program.start("the server", "spoken", [], module.parent / "it.log")
        with pytest.raises(SetupError, match="the server did not start: its log is empty"):
            await program.first_line()
        await program.finish()

    asyncio.run(work())


def test_a_process_that_is_stopped_has_ended(module: Path) -> None:
    module.write_text("import time; print('up', flush=True); time.sleep(60)")

    async def work() -> None:
        program = await Program.start("it", "spoken", [], module.parent / "it.log")
        await program.first_line()
        await program.stop()
        with pytest.raises(SetupError, match="it ended with status -15"):
            await program.finish()

    asyncio.run(work())


def test_a_process_inherits_arguments_and_only_the_folder_of_the_data(module: Path) -> None:
    module.write_text(
        "import os, sys; print(sys.argv[1:], sorted(name for name in os.environ if name.startswith('LIMBECK')))"
    )

    async def work() -> None:
        program = await Program.start("it", "spoken", ["--a", "b"], module.parent / "it.log")
        assert await program.first_line() == "['--a', 'b'] ['LIMBECK_DATA']"
        await program.finish()

    asyncio.run(work())
