"""What runs and comparisons look like: pages, charts and tables."""
