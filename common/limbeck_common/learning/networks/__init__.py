"""Networks and what is done to their inputs: importing a module of this package imports torch."""
