"""Make the reports that the site shows, in docs/_build/reports. Usage: python docs/build_gallery.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
WORK, REPORTS = DOCS / "_build" / "gallery", DOCS / "_build" / "reports"
CHANGE = "remove-most-memorized=0.05"
AUDITS = (
    ("audit", "digits", "--models", "32"),
    ("audit", "tumours.csv", "--target", "diagnosis", "--id", "sample", "--models", "32"),
    ("change", "runs/tumours", "--with", CHANGE),
)
SHOWN = {"digits": "digits", "tumours": "tumours", f"tumours+{CHANGE}": "tumours-changed"}


def main() -> None:
    """Audit, change, and copy the reports; what is there already is not made again."""
    WORK.mkdir(parents=True, exist_ok=True)
    REPORTS.mkdir(exist_ok=True)
    table = re.search(r"```python\n(.*?)```", (DOCS / "tutorial.md").read_text("utf-8"), re.DOTALL)
    assert table is not None
    for words in (["-c", table[1]], *(["-m", "byrote.cli.app", *audit] for audit in AUDITS)):
        if words[-1] == CHANGE and (WORK / "runs" / f"tumours+{CHANGE}").exists():
            continue
        subprocess.run([sys.executable, *words], cwd=WORK, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    for run, name in SHOWN.items():
        shutil.copy(WORK / "runs" / run / "report.html", REPORTS / f"report-{name}.html")


if __name__ == "__main__":
    main()
