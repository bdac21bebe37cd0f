"""`limbeck-lab`: a whole federation on one machine."""

import click

from limbeck_common.support.cli import LazyGroup, run_command

_COMMANDS = {
    "compare": ("limbeck_lab.cli.compare:compare", "Simulate methods with several seeds; compare accuracy and bytes."),
    "conformance": (
        "limbeck_lab.cli.conformance:conformance",
        "Put a client in any language through all that it must survive.",
    ),
    "demo": ("limbeck_lab.cli.demo:demo", "Run a real server and five real clients on loopback."),
    "init": ("limbeck_lab.cli.init:init", "Make a folder with a method or a site of your own, ready to run."),
    "report": ("limbeck_lab.cli.report:report", "Write a run's or a comparison's report.html again."),
    "simulate": ("limbeck_lab.cli.simulate:simulate", "Run any number of clients in one process, without a network."),
}


@click.group(
    cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Try limbeck on one machine: a demo over real processes, and simulations in one process."""


def main() -> None:
    """Entry point of the console program."""
    run_command(cli, "limbeck-lab")


if __name__ == "__main__":
    main()
