"""`limbeck-server`: which commands there are. Each is imported when it is run, so that --help answers at once."""

import click

from limbeck_common.support.cli import LazyGroup, run_command

COMMANDS = {
    "audit": ("limbeck_server.cli.store:audit", "Check that a store is what a daemon wrote, round by round."),
    "backup": (
        "limbeck_server.cli.store:backup",
        "Copy a store to the new folder OUT, also while a daemon works in it.",
    ),
    "close-round": ("limbeck_server.cli.operator:close_round", "Close the open round now."),
    "doctor": ("limbeck_server.cli.doctor:doctor", "Check that a `run` with the same options would work."),
    "evict": ("limbeck_server.cli.operator:evict", "Remove CLIENT from the federation for good."),
    "health": ("limbeck_server.cli.operator:health", "Exit with status 0 if the daemon is serving, else with 1."),
    "init": ("limbeck_server.cli.pki:init", "Create the certificate authority and certificates, once."),
    "pause": ("limbeck_server.cli.operator:pause", "Pause the federation: no round opens or closes."),
    "restore": ("limbeck_server.cli.store:restore", "Copy a backup to a new folder, from which a daemon resumes."),
    "resume": ("limbeck_server.cli.operator:resume", "Resume a paused federation."),
    "revoke": ("limbeck_server.cli.pki:revoke", "Revoke all certificates and unused tokens of NAME."),
    "rotate": ("limbeck_server.cli.pki:rotate", "Renew the certificates of the server and its operator."),
    "run": ("limbeck_server.cli.run:run", "Run one federation until it ends."),
    "status": ("limbeck_server.cli.operator:status", "Show the federation and its clients."),
    "stop": ("limbeck_server.cli.operator:stop", "End the federation now, for good."),
    "token": ("limbeck_server.cli.pki:token", "Create enrolment tokens."),
    "watch": ("limbeck_server.cli.operator:watch", "Show events as they happen, past ones first."),
}


@click.group(
    cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Run a limbeck server, or operate one that is running."""


def main() -> None:
    """Run the console program."""
    run_command(cli, "limbeck-server")


if __name__ == "__main__":
    main()
