"""Studies: claims about memorization, each fixed before anything runs and judged over models trained for it."""
