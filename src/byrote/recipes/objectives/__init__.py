"""Objectives: losses by example."""
