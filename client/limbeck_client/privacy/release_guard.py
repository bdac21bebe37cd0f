"""What stands between a finished round and the network: policy, checkpoint, review queue, release log."""

from dataclasses import dataclass
from pathlib import Path

from limbeck_client.checkpoint import Checkpoint, CheckpointFile
from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_log import ReleaseLog, describe
from limbeck_client.privacy.review_queue import ReviewQueue
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import LearnerState
from limbeck_common.methods.registry import make_method
from limbeck_common.support.disk import writing


@dataclass(frozen=True)
class ReleaseGuard:
    """One client's policy and files."""

    policy: Policy
    checkpoint_file: CheckpointFile
    release_log: ReleaseLog
    review_queue: ReviewQueue

    @classmethod
    def of(cls, folder: Path, policy: Policy, *, review: bool = False) -> "ReleaseGuard":
        """Return the owner whose files lie in a client's state folder."""
        return cls(policy, CheckpointFile(folder), ReleaseLog(folder), ReviewQueue(folder, asks=review))

    def check_work(self, spec: Spec, downlink: Downlink) -> None:
        """Refuse work that the policy does not allow, before it is begun.

        Raises:
            PolicyError: what is too much.
            SettingsError: the state folder cannot be used.
        """
        with writing(self.review_queue.folder, "--state"):
            self.review_queue.clear()
            answered = self.release_log.answered(downlink.federation_id, besides=downlink.round)
        self.policy.check_work(spec, downlink, answered)
        sends = make_method(spec.method).sends
        if downlink.wanted is not None and sends is not None:
            self.policy.check_kind(sends)

    def kept(self, federation_id: str, open_rows: int) -> Checkpoint | None:
        """Return what was kept of a federation, or None. Raises SettingsError where the folder cannot be used."""
        with writing(self.review_queue.folder, "--state"):
            return self.checkpoint_file.load(federation_id, open_rows)

    def keep(self, participant: LearnerState, uplink: Uplink) -> None:
        """Keep what a round has made, the uplink checked.

        Raises:
            PolicyError: it may not leave; nothing of it is kept.
            SettingsError: the disk does not take it.
        """
        self._check(uplink)
        with writing(self.review_queue.folder, "--state"):
            self.checkpoint_file.keep(Checkpoint(participant, uplink))

    def release(self, uplink: Uplink) -> bool | None:
        """Return whether an uplink may leave, which then stands in the release_log; None while its owner has not said.

        Raises:
            PolicyError: the policy is another than when the uplink was made, and does not allow it.
            SettingsError: the disk does not take it.
        """
        with writing(self.review_queue.folder, "--state"):
            leaves = self.review_queue.look(uplink)
            if leaves:
                self._check(uplink)
                self.release_log.write(describe(uplink))
            if leaves is not None:
                self.review_queue.clear()
        return leaves

    def _check(self, uplink: Uplink) -> None:
        self.policy.check_release(uplink.contribution, uplink.metrics.get("seconds", 0.0))
