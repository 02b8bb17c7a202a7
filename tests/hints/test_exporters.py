"""Hints of exporters are followed: each mends the case that brought it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byrote.analyses.catalog import ask
from byrote.evidence.seals import BLANK, KEY, sealed
from byrote.report.language_report import write_language_report
from byrote.runs.exporters.cards import write_data_card, write_model_card
from byrote.runs.exporters.figures import FILE
from byrote.runs.run import Run
from followed import Case, each, follow
from made_once import opened
from runs.exporters.test_figures import REPORT


def run_in(folder: Path) -> Run:
    """The run of the folder."""
    return Run.open(folder / "run") if (folder / "run").exists() else opened("documents", folder)


def carded(*, changed: bool = False, again: bool = False) -> Callable[[Path], Any]:
    """Writes the card of a model, whose report was changed by hand, or is written again."""

    def write(folder: Path) -> Any:
        run = run_in(folder)
        if changed:
            (run.folder / FILE).write_bytes(b"{}")
        if again:
            write_language_report(run)
        return write_model_card(run, folder / "card.md")

    return write


def counted(*, asked: bool) -> Callable[[Path], Any]:
    """Writes the card of a dataset, once the run was asked for issues, or before."""

    def write(folder: Path) -> Any:
        run = run_in(folder)
        (run.folder / FILE).write_bytes(sealed(json.dumps({KEY: BLANK, **REPORT}).encode()))
        if asked:
            ask(run, "issues")
        return write_data_card(run, folder / "card.md")

    return write


EXPORTS = (
    Case(
        name="a card without a report",
        wrong=carded(),
        says="byrote report",
        right=carded(again=True),
        slow=True,
    ),
    Case(
        name="a card of a report that was changed",
        wrong=carded(changed=True),
        says="writes it again",
        right=carded(again=True),
        slow=True,
    ),
    Case(name="a data card without issues", wrong=counted(asked=False), says="issues", right=counted(asked=True)),
)


@each(*EXPORTS)
def test_hints_of_exporters_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
