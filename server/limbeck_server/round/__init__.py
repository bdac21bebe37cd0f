"""One federation's rounds: the pure machine, and what drives it."""
