"""From uplinks to aggregates: validation, exact sums, and the server's own model."""
