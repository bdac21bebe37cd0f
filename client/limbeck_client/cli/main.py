"""`limbeck-client`: which commands there are. Each is imported when it is run, so that --help answers at once."""

import os
import sys

import click

from limbeck_common.support.cli import LazyGroup, run_command

COMMANDS = {
    "approve": ("limbeck_client.cli.owner:approve", "Let the uplink that is held in STATE leave."),
    "digest": ("limbeck_client.cli.digest:digest", "Print the digest of your open data."),
    "doctor": ("limbeck_client.cli.doctor:doctor", "Check that a `join` with the same options would work."),
    "enroll": ("limbeck_client.cli.enroll:enroll", "Exchange TOKEN for a certificate, once."),
    "export": ("limbeck_client.cli.model:export", "Write a trained model as ONNX."),
    "join": ("limbeck_client.cli.join:join", "Join a federation and take part until it ends."),
    "ledger": ("limbeck_client.cli.owner:ledger", "List everything that a client has sent."),
    "predict": ("limbeck_client.cli.model:predict", "Predict rows with a trained model, or measure it."),
    "refuse": ("limbeck_client.cli.owner:refuse", "Keep back the uplink that is held in STATE, for good."),
    "review": ("limbeck_client.cli.owner:review", "Show the uplink that is held in STATE."),
}


@click.group(
    cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Take part in a federation: your data and your model stay on this machine, predictions leave it."""


def main() -> None:
    """Run the console program. Its end does not wait for training in progress: what is on the disk is complete."""
    try:
        run_command(cli, "limbeck-client")
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


if __name__ == "__main__":
    main()
