"""The report as a page: one file that needs no network, and whose one script is its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byrote.analyses.catalog import keep
from byrote.analyses.issues import Issues
from byrote.evidence.seals import write_sealed
from byrote.report import grouped
from byrote.report.facts import Facts
from byrote.report.figure_files import write_figures
from byrote.report.findings import Findings, findings
from byrote.report.missing import Missing
from byrote.report.page_sections.of_run import page_sections
from byrote.report.sections import Sections, sections
from byrote.report.templates import environment_of, head
from byrote.report.text import plain
from byrote.report.twin import FILE as TWIN
from byrote.report.twin import twin, twin_text
from byrote.report.watched import Watched
from byrote.runs.run import OnProgress, Run, no_progress

if TYPE_CHECKING:
    from jinja2 import Environment

FILE = "report.html"
#: About this share of the time goes into measuring, and the rest into the page.
MEASURING = 0.9
#: Stands in a page that was not made without contents.
_WITH_CONTENTS = '<meta name="byrote-contents" content="yes">'


def write_report(
    run: Run, on_progress: OnProgress = no_progress, *, figures: str | Path | None = None
) -> tuple[Path, Facts | Watched]:
    """Measure a run, write its `report.html` and `report.json`, and say where the page is and what was found.

    `on_progress` is given what share of it is done; into the folder `figures` goes every figure as PNG and SVG.

    Raises:
        MissingEvidence: nothing can be measured by example.

    Example:
        >>> page, facts = byrote.write_report(byrote.Run.open("runs/tiny"))
        >>> page.name, facts.memorization.values.tolist()
        ('report.html', [0.0, 0.5, 1.0, 0.0])
    """
    found = findings(run, lambda share: on_progress(MEASURING * share))
    shown = sections(run, found)
    path = write_pages(run, found, shown)
    if isinstance(found.issues, Issues) and run.dataset is not None:
        keep(run, "issues", found.issues)
    if isinstance(found.grouped, grouped.Grouped):
        grouped.keep(run, found.grouped)
    if figures is not None:
        write_figures(shown.figures.values(), Path(figures))
    on_progress(1.0)
    return path, found.facts


def write_pages(run: Run, found: Findings, shown: Sections) -> Path:
    """Write what was measured as `report.html` and as `report.json`, and say where the page is."""
    path = run.folder / FILE
    write_sealed(path, rendered(run, found, shown).encode())
    write_sealed(run.folder / TWIN, twin_text(twin(run, found, shown)).encode())
    return path


def write_again(run: Run, on_progress: OnProgress = no_progress) -> Path | None:
    """Write the report of a run again, for what changes what it shows; contents only where it has them.

    None where the run has no report.
    """
    path = run.folder / FILE
    if not path.is_file():
        return None
    return write_report(run if has_contents(path.read_text("utf-8")) else run.without_contents(), on_progress)[0]


def has_contents(page: str) -> bool:
    """Whether a page was made with what is in the data, and not without."""
    return _WITH_CONTENTS in page


def page(run: Run, found: Findings) -> str:
    """The page of a run that was measured."""
    return rendered(run, found, sections(run, found))


def rendered(run: Run, found: Findings, shown: Sections) -> str:
    """The page of these sections."""
    from markupsafe import Markup

    facts = found.facts
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            **head("page.css", script="table.js"),
            data_json=Markup(shown.examples.data),
            run=run,
            byrote=run.manifest.byrote,
            facts=facts,
            found=found,
            models=facts.models if isinstance(facts, Watched) else facts.memorization.models,
            sections=page_sections(run, found, shown),
            changed=shown.changed,
            headline=shown.headline,
            first_look=shown.first_look,
            steps=shown.steps,
            examples=shown.examples,
        )
    )


@cache
def _environment() -> Environment:
    environment = environment_of(_inert, {})
    environment.tests["missing"] = lambda part: isinstance(part, Missing)
    return environment


def _inert(value: Any) -> Any:
    return value if hasattr(value, "__html__") or not isinstance(value, str) else plain(value, limit=4_000)
