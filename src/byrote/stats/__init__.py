"""Statistics that know nothing of runs; NumPy and SciPy only."""
