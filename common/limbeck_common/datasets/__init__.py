"""Data sets: what a participant holds, the built-in sets, and how their rows are shared out to clients."""
