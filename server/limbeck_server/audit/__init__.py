"""Checks of a store: history reads what the facts say, audit holds the blocks and the method against it."""
