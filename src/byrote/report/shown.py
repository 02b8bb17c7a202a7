"""The report of a run inside a notebook; `run.report()` ends here."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from byrote.evidence.made_here import write_own
from byrote.evidence.seals import sealed
from byrote.report.findings import findings
from byrote.report.language_facts import language_facts
from byrote.report.language_figures import figures_of
from byrote.report.language_page import language_page
from byrote.report.page import page
from byrote.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A report as a page: a notebook shows it in place, `save` writes it."""

    run: str
    html: str = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the page, and say where it is.

        Raises:
            BadInput: a file of somebody else is there.
        """
        write_own(Path(path), self.html.encode())
        return Path(path)

    def _repr_html_(self) -> str:
        """A frame of its own origin that sees nothing of the notebook; in it the page's own script alone runs."""
        return (
            f'<iframe sandbox="allow-scripts allow-downloads" title="{escape(f"Report of {self.run}")}" '
            f'style="width:100%;height:80vh;border:1px solid #8886" srcdoc="{escape(self.html)}"></iframe>'
        )


def report(run: Run, *, contents: bool = True) -> Shown:
    """Measure a run, and make the page that `write_report` writes; without `contents` nobody's data are in it."""
    run = run if contents and not run.forgotten else run.without_contents()
    if run.of_text:
        found = language_facts(run, run.on_progress)
        made = language_page(run, found, figures_of(found), redact=run.redacted)
    else:
        made = page(run, findings(run, run.on_progress))
    return Shown(run=str(run.folder), html=sealed(made.encode()).decode())
