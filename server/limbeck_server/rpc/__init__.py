"""gRPC in, calls to the round out."""
