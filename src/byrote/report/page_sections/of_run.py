"""The sections of a run's page, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from byrote.report.findings import Findings
from byrote.report.page_sections.backdoor import backdoor
from byrote.report.page_sections.course import course, watched_course
from byrote.report.page_sections.examples import hardest, memorized, typical
from byrote.report.page_sections.groups import groups
from byrote.report.page_sections.origin import origin
from byrote.report.page_sections.risk import risk
from byrote.report.page_sections.scores import compared, ranking, scores, watched_scores
from byrote.report.page_sections.section import PageSection, asked_section, source_of
from byrote.report.page_sections.triage import triage
from byrote.report.sections import Sections
from byrote.report.watched import Watched
from byrote.runs.run import Run

#: The table of all examples, which the page's script serves.
TABLE = PageSection(name="examples", title="All examples", short="All examples", template="examples.html.jinja")


def page_sections(run: Run, found: Findings, shown: Sections) -> tuple[PageSection, ...]:
    """What stands below the first screen, in its order; the last sections are those of analyses that were asked."""
    facts = found.facts
    models = facts.models if isinstance(facts, Watched) else facts.memorization.models
    source = source_of(run, models)
    listed = [replace(one, source=source) for one in _listed(run, found, shown)]
    asked = map(asked_section, shown.kept)
    return (*listed, *asked, origin(run, shown.provenance, facts.notes, models))


def _listed(run: Run, found: Findings, shown: Sections) -> Iterator[PageSection]:
    facts = found.facts
    if isinstance(facts, Watched):
        yield from (hardest(run, facts, shown), TABLE, watched_scores(facts, shown), watched_course(facts, shown))
        return
    yield from (memorized(run, facts, found, shown), typical(facts, shown), TABLE, scores(facts, shown))
    yield risk(found, shown, run.manifest.guaranteed)
    if found.grouped is not None:
        yield groups(run, facts, found.grouped, shown)
    yield course(run, facts, shown)
    yield compared(facts, found, shown)
    yield ranking(facts, shown)
    if facts.wording.about_classes:
        yield triage(found.triaged)
    of_backdoor = backdoor(run)
    if of_backdoor is not None:
        yield of_backdoor
