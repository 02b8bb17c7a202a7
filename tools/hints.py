"""Which hints of the source are followed: runs the tests of hints, writes their table, and prints what is left.

    python tools/hints.py                          all tests of hints
    python tools/hints.py tests/hints/test_data.py  those of a file; lines of other files stay

`tests/hints/followed.txt` gets a line for each place with a hint that a test followed; `tests/hints/not_followed.txt`
is written by hand, with the reason why a hint cannot be followed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from followed import TABLE, WRITTEN_TO, rows_of  # noqa: E402
from hinted import places  # noqa: E402


def main(given: list[str]) -> int:
    """Write the table and print what no test followed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "followed"
        out.touch()
        command = [sys.executable, "-m", "pytest", *(given or ["tests/hints"]), "--deselect", "tests/hints/test_all.py"]
        status = subprocess.run(command, cwd=ROOT, env=os.environ | {WRITTEN_TO: str(out)}, check=False).returncode
        found = {*out.read_text("utf-8").splitlines()}
    files = {Path(path).name for path in given}
    named = {place.name for place in places()}
    kept = {name: test for name, test in rows_of(TABLE).items() if given and test.partition("::")[0] not in files}
    for line in sorted(found):
        name, _, test = line.partition("\t")
        kept[name] = min(kept.get(name, test), test)
    kept = {name: test for name, test in kept.items() if name in named}
    TABLE.write_text("".join(f"{name}\t{test}\n" for name, test in sorted(kept.items())), "utf-8")
    listed = rows_of(TABLE.with_name("not_followed.txt"))
    for place in places():
        if place.name not in kept and place.name not in listed:
            sys.stdout.write(f"src/byrote/{place.file}:{place.first}: {place.message}\n")
    stale = [name for name in listed if name in kept]
    sys.stdout.writelines(f"followed, and listed as not: {name}\n" for name in stale)
    sys.stdout.write(f"{len(kept)} of {len(places())} followed, {len(listed)} listed with a reason\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
