"""The methods: one file each, both halves of the paper in it."""
