"""A participant's part of a round, and the worker process that may do it."""
