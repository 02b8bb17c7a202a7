"""The report of a language model as a page: what it recites, where that stands, and which secrets it knows."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from byrote.report.documents import STATES, commands, documents
from byrote.report.facts import changed
from byrote.report.figures import Figure
from byrote.report.language_facts import LanguageFacts
from byrote.report.language_first import FIRST, language_first
from byrote.report.language_words import lead, tiles, title, warnings
from byrote.report.page_sections.of_texts import Texts, language_sections, shown_passages
from byrote.report.templates import environment, head
from byrote.runs.run import Run


def language_page(
    run: Run,
    found: LanguageFacts,
    figures: Mapping[str, Figure],
    *,
    show_secrets: bool = False,
    redact: bool = False,
) -> str:
    """The page of a run whose facts were measured, and drawn by `figures_of`.

    `redact` leaves texts, and what stands before secrets, out of it.
    """
    from markupsafe import Markup

    texts = Texts.of(run, show_secrets=show_secrets, redact=redact)
    shown = shown_passages(run, found, texts)
    table = documents(run, found)
    trained = (run.design.member[run.models()] != 0).any(0)
    return (
        environment()
        .get_template("language.html.jinja")
        .render(
            **head("page.css", "trace.css", "language.css", script="table.js"),
            table=table,
            data_json=Markup(table.data),
            states=STATES,
            commands=commands(run),
            presence=found.counterfactual is not None,
            byrote=version("byrote"),
            run=run,
            title=title(found),
            first_look=language_first(found),
            first=shown[0][:FIRST],
            passages=len(shown[0]),
            models=found.inside.models,
            lead=lead(run, found),
            warnings=warnings(run, found),
            changed=next(iter(changed(run)), ""),
            tiles=tiles(found),
            recites=bool(found.recitation.of_trained[0]),
            sections=language_sections(run, found, figures, texts, shown),
            trained=int(trained.sum()),
            held_out=int((~trained).sum()),
        )
    )
