"""Many runs side by side: what to run, running it, and the scores."""
