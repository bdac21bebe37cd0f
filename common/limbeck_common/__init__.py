"""What limbeck's server and clients must agree on, and nothing else."""
