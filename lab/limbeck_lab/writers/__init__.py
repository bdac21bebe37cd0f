"""Ready-made callables for `--on-round`. Each needs a library of its own, which importing it imports."""
