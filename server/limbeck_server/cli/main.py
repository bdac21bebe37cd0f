"""`limbeck-server`: which commands there are. Most are imported when they are run, so that --help answers at once."""

import click

from limbeck_common.support.cli import LazyGroup, run_command
from limbeck_server.cli import operator

COMMANDS = {
    "audit": ("limbeck_server.cli.store:audit", "Check that a store is what a daemon wrote, round by round."),
    "backup": (
        "limbeck_server.cli.store:backup",
        "Copy a store to the new folder OUT, also while a daemon works in it.",
    ),
    "doctor": ("limbeck_server.cli.doctor:doctor", "Check that a `run` with the same options would work."),
    "history": ("limbeck_server.cli.store:history", "Show a store's federation and its events, without a daemon."),
    "init": ("limbeck_server.cli.pki:init", "Create the certificate authority and certificates, once."),
    "restore": ("limbeck_server.cli.store:restore", "Copy a backup to a new folder, from which a daemon resumes."),
    "revoke": ("limbeck_server.cli.pki:revoke", "Revoke all certificates and unused tokens of NAME."),
    "rotate": ("limbeck_server.cli.pki:rotate", "Renew the certificates of the server and its operator."),
    "run": ("limbeck_server.cli.run:run", "Run one federation until it ends."),
    "token": ("limbeck_server.cli.pki:token", "Create enrolment tokens."),
}


@click.group(
    cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Run a limbeck server, or operate one that is running."""


for command in operator.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the console program."""
    run_command(cli, "limbeck-server")


if __name__ == "__main__":
    main()
