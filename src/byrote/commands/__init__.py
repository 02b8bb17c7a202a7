"""Commands of the command line, one group a file; `byrote.cli` puts them together."""
