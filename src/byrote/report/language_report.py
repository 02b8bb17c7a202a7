"""The report of a language model as files: its page, the same for programs, and its figures."""

from __future__ import annotations

from pathlib import Path

from byrote.evidence.seals import write_sealed
from byrote.report.figure_files import write_figures
from byrote.report.language_facts import LanguageFacts, language_facts
from byrote.report.language_figures import figures_of
from byrote.report.language_page import language_page
from byrote.report.language_twin import language_twin
from byrote.report.page import FILE
from byrote.report.twin import FILE as TWIN
from byrote.report.twin import twin_text
from byrote.runs.run import OnProgress, Run, no_progress

#: About this share of the time goes into measuring, and the rest into the page.
MEASURING = 0.8


def write_language_report(
    run: Run,
    on_progress: OnProgress = no_progress,
    *,
    show_secrets: bool = False,
    redact: bool = False,
    figures: str | Path | None = None,
) -> tuple[Path, LanguageFacts]:
    """Measure a run, write its `report.html` and `report.json`, and say where the page is and what was found.

    `redact` leaves texts, and what stands before secrets, out of the page; the other file never holds them. Into the
    folder `figures` goes every figure as PNG and SVG.

    Example:
        >>> page, facts = byrote.write_language_report(byrote.Run.open("runs/hamlet"))
        >>> page.name, facts.lengths
        ('report.html', (2, 2))
    """
    found = language_facts(run, lambda share: on_progress(MEASURING * share))
    drawn, path = figures_of(found), run.folder / FILE
    write_sealed(path, language_page(run, found, drawn, show_secrets=show_secrets, redact=redact).encode())
    write_sealed(run.folder / TWIN, twin_text(language_twin(run, found, drawn)).encode())
    if figures is not None:
        write_figures(drawn.values(), Path(figures))
    on_progress(1.0)
    return path, found
