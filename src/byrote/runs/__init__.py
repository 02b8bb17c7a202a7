"""A run folder as one type, how it comes into being, and how others read and write it."""
