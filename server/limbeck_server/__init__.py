"""The aggregation daemon."""
