"""What may leave this machine: policy, review, release log."""
