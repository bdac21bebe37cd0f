"""What server and clients must agree on: messages, the specification, errors, seeds, exact sums."""
