"""The journal and the blocks that it names."""
