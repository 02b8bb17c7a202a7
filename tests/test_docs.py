from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_of_measures_is_what_the_catalog_makes() -> None:
    script = ROOT / "docs" / "build_catalog.py"
    assert subprocess.run([sys.executable, script, "--check"]).returncode == 0, "run `make docs`"
