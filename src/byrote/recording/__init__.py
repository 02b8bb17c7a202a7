"""Recorders for training loops that are not byrote's."""
