"""Charts of runs and of comparisons: matplotlib draws them, a page holds them as inline SVG."""
