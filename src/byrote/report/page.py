"""stub"""

from pathlib import Path

from byrote.report.facts import Facts, facts
from byrote.run import Run


def write_report(run: Run) -> tuple[Path, Facts]:
    return run.folder / "report.html", facts(run)
