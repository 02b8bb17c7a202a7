"""Measures: one pure NumPy function a file, evidence in, a typed result out."""
