"""Exporters: evidence of a run in the form that other programs take."""
