"""Tries the wheel where nothing else of the project is: run it with the Python that only the wheel was installed for.

    make wheel-check

It audits a table to its report by the command `byrote`, as a person does, and asks for what each extra brings: without
the extra that is refused in a sentence that names it.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path

import byrote
from byrote.cli.doctor import extras
from byrote.errors import BadInput
from byrote.results import Scalar

#: What needs each extra, by its name.
PROMISES: dict[str, Callable[[], object]] = {
    "huggingface": lambda: byrote.read_corpus(Path()),
    "language": lambda: (
        import_module("byrote.data.python_docs") and import_module("byrote.cli.language_sources").docs(0)
    ),
    "lightning": lambda: import_module("byrote.recording.lightning"),
    "transformers": lambda: import_module("byrote.recording.transformers"),
    "infini-gram": lambda: import_module("byrote.data.index.infini_gram")._refuse_unready(Path()),
    "ray": lambda: import_module("byrote.engine.ray_cluster")._ray(),
    "pandas": lambda: Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=8, examples=90).to_pandas(),
    "personal-data": lambda: import_module("byrote.data.personal").Detectors(),
    "privacy": lambda: import_module("byrote.recipes.private")._accounted(1.0, 0.1, 10, 1e-5),
}
#: For work on byrote itself; and what brings a package that the person's own script imports.
OURS = {"docs", "dev", "trl"}


def main() -> int:
    """Try all of it; what does not work ends the program."""
    home = Path(byrote.__file__)
    assert home.is_relative_to(sys.prefix), f"{home} is not of this environment"
    states = {what: state for what, state, _ in extras()}
    assert "installed" not in states.values(), f"extras are installed here: {states}"
    assert set(metadata("byrote").get_all("Provides-Extra") or ()) == PROMISES.keys() | OURS
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        audit_a_table()
    for extra, ask in PROMISES.items():
        said = refusal(ask)
        assert f"byrote[{extra}]" in said, f"without byrote[{extra}]: {said or 'nothing is refused'}"
        sys.stdout.write(f"{extra}: {said}\n")
    return 0


def audit_a_table() -> None:
    """The README's first command for one's own data, of a table with a wrong label in each ten rows."""
    draw = random.Random(0)
    with Path("people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("age", "hours", "city", "income"))
        for _ in range(200):
            age, hours = draw.randint(18, 80), draw.randint(0, 60)
            high = (age + hours > 80) != (draw.random() < 0.1)
            rows.writerow((age, hours, draw.choice(("Bern", "Rome", "Oslo")), "high" if high else "low"))
    command = [str(Path(sys.executable).with_name("byrote")), "audit", "people.csv", "--target", "income"]
    subprocess.run([*command, "--models", "8", "--workers", "1", "--out", "run"], check=True)
    report = json.loads(Path("run/report.json").read_text("utf-8"))
    assert report["run"]["models"] == 8, report["run"]
    assert "people" in Path("run/report.html").read_text("utf-8")


def refusal(ask: Callable[[], object]) -> str:
    """What is said where something is missing."""
    try:
        ask()
    except BadInput as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
