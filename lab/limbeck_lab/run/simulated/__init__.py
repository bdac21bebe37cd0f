"""The parts of a federation that runs without a network: transport, runtimes, and their placement on workers."""
