"""Whether a store is what the daemon wrote there."""
