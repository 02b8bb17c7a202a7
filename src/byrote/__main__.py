"""`python -m byrote`: the command line."""

from byrote.cli import main

main()
