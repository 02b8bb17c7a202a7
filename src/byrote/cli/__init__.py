"""Commands of the command line, one group a file; `byrote.cli.app` puts them together."""
