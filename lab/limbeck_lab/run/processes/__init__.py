"""Real processes, and the meters between them."""
