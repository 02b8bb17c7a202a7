"""The command line: a command is an audit or an analysis with options."""


def main() -> None:
    """Run the command that the process was called with."""
    from byrote.cli.app import main as run

    run()
