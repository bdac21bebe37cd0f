"""What stands between a finished round and the network.

check_work   policy                               before the training
keep         policy, checkpoint                   after it
release      review queue, policy, release log    before the push
"""

from dataclasses import dataclass, replace
from pathlib import Path

from limbeck_client.checkpoint import Checkpoint, CheckpointFile
from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_log import ReleaseLog, describe
from limbeck_client.privacy.review_queue import ReviewQueue
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import LearnerState
from limbeck_common.support.disk import writing


@dataclass(frozen=True)
class ReleaseGuard:
    """The owner's policy, and the checkpoint, review queue and release log in the client's state folder."""

    policy: Policy
    checkpoint_file: CheckpointFile
    release_log: ReleaseLog
    review_queue: ReviewQueue

    @classmethod
    def of(cls, folder: Path, policy: Policy, *, review: bool = False) -> "ReleaseGuard":
        """Return the guard of the client whose state folder is `folder`; `review` holds every uplink for approval."""
        return cls(policy, CheckpointFile(folder), ReleaseLog(folder), ReviewQueue(folder, asks=review))

    def check_forms(self, spec: Spec) -> None:
        """Check, before the client becomes a member, that what the federation's method asks for may leave at all.

        Raises:
            PolicyError: it may not.
        """
        self.policy.check_forms(spec)

    def check_work(self, spec: Spec, downlink: Downlink, epoch: int) -> None:
        """Check a round's work against the policy before it begins; an uplink of the round before is held no longer.

        Raises:
            PolicyError: the work is more than the owner allows.
            SettingsError: the state folder cannot be used.
        """
        with writing(self.review_queue.folder, "--state"):
            self.review_queue.clear()
            answered = self.release_log.answered(downlink.federation_id, besides=(epoch, downlink.round))
        self.policy.check_work(spec, downlink, answered)

    def checkpoint(self, federation_id: str, open_rows: int) -> Checkpoint | None:
        """Return the checkpoint of a federation, or None.

        Raises:
            SettingsError: the state folder cannot be used.
        """
        with writing(self.review_queue.folder, "--state"):
            return self.checkpoint_file.load(federation_id, open_rows)

    def keep(self, participant: LearnerState, uplink: Uplink) -> Uplink:
        """Write the checkpoint of a finished round, once its uplink has been checked against the policy.

        Returns the uplink as it may leave: without metrics, where the owner wants none to leave.

        An uplink that may not leave leaves the checkpoint of the round before in place.

        Raises:
            PolicyError: the uplink is more than the owner allows.
            UserCodeError: a value in it is not finite.
            SettingsError: the state folder cannot be written.
        """
        self._check(uplink)
        if not self.policy.metrics:
            uplink = replace(uplink, metrics={})
        with writing(self.review_queue.folder, "--state"):
            self.checkpoint_file.save(Checkpoint(participant, uplink))
        return uplink

    def release(self, uplink: Uplink) -> bool | None:
        """Return whether an uplink may leave, having entered it in the release log; None: not decided yet.

        Raises:
            PolicyError: the policy has changed since the uplink was made, and does not allow it.
            SettingsError: the state folder cannot be written.
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
        self.policy.check_release(uplink.parts, uplink.metrics.get("seconds", 0.0))
