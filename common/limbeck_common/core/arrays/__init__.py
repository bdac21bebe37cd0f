"""Arrays in memory, in a file, or encoded as they travelled, and the encodings."""
