"""What may leave this machine: finite values, policy, review queue, release log, and the guard in front of them."""
