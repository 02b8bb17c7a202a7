"""`python -m byrote.cli`: the command line."""

from byrote.cli import main

main()
