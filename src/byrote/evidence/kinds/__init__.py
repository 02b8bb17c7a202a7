"""The kinds of evidence, one file for each or for a few that belong together."""
