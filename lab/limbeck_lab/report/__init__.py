"""What runs and comparisons look like: report pages, and tables on the terminal."""
