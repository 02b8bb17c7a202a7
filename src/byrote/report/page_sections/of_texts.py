"""The sections of a language model's page, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from byrote.analyses.catalog import find_analysis
from byrote.blocks import Figure
from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import Canaries, read_canaries
from byrote.report.asked import all_asked, asked
from byrote.report.language_facts import LanguageFacts
from byrote.report.page_sections.origin import origin
from byrote.report.page_sections.presence import presence, present
from byrote.report.page_sections.secrets import secrets, secrets_of
from byrote.report.page_sections.section import PageSection, asked_section, source_of
from byrote.report.page_sections.texts import DEPENDS, course, dependence, passages
from byrote.report.passages import Passage
from byrote.report.passages import passages as passages_of
from byrote.report.provenance import provenance
from byrote.runs.run import Run

#: What the section of risks says while it is folded.
RISK = "Whom an attacker learns of, how well, with which access, and what was not tried"


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Which texts a page may show: the run's canaries, whether their secrets are shown, and whether it has no texts."""

    canaries: Canaries | None
    show_secrets: bool = False
    redact: bool = False

    @classmethod
    def of(cls, run: Run, *, show_secrets: bool, redact: bool) -> Texts:
        """Those of a run."""
        path = run.folder / CANARIES
        canaries = read_canaries(path) if path.exists() and not redact else None
        return cls(canaries=canaries, show_secrets=show_secrets, redact=redact)


def shown_passages(run: Run, found: LanguageFacts, texts: Texts) -> tuple[tuple[Passage, ...], str]:
    """The passages that are shown, or why there are none."""
    return passages_of(run, found, texts.canaries, show_secrets=texts.show_secrets, redact=texts.redact)


def language_sections(
    run: Run,
    found: LanguageFacts,
    figures: Mapping[str, Figure],
    texts: Texts,
    shown: tuple[tuple[Passage, ...], str],
) -> tuple[PageSection, ...]:
    """What stands below the first screen, in its order; `shown` are the passages."""
    models = found.inside.models
    source = source_of(run, models)
    listed = [replace(one, source=source) for one in _listed(run, found, figures, texts, shown)]
    return (
        *listed,
        *map(asked_section, all_asked(run)),
        origin(run, provenance(run), run.manifest.notes, models),
    )


def _listed(
    run: Run,
    found: LanguageFacts,
    figures: Mapping[str, Figure],
    texts: Texts,
    shown: tuple[tuple[Passage, ...], str],
) -> Iterator[PageSection]:
    masked = not texts.show_secrets
    yield passages(found, *shown, masked=masked)
    yield PageSection(name="examples", title="All documents", short="All documents", template="documents.html.jinja")
    risks = asked(find_analysis("text_risks"), found.risks)
    yield PageSection(name="risk", title=risks.title, short=risks.title, summary=RISK, blocks=risks.blocks)
    if set(DEPENDS) & set(figures):
        yield dependence(found, figures)
    listed = secrets_of(found, texts.canaries, show_secrets=texts.show_secrets)
    if listed or "null" in figures:
        yield secrets(run, found, figures, listed, masked=masked)
    if "presence" in figures:
        most = present(run, found, texts.canaries, show_secrets=texts.show_secrets, redact=texts.redact)
        yield presence(found, figures, most)
    if "training" in figures:
        yield course(figures["training"])
