"""One run of a federation: simulated, or with real processes."""
