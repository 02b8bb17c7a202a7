"""The report of a language model for programs: the same figures as JSON, by a published schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from byrote.report.asked import all_asked, asked_facts
from byrote.report.figure_facts import finite, scalar
from byrote.report.figures import Figure
from byrote.report.language_facts import LanguageFacts
from byrote.report.language_shapes import LanguageReportFacts
from byrote.report.language_words import adjusted, known_secrets, lead, title, warnings
from byrote.report.page_sections.of_texts import Texts, language_sections, shown_passages
from byrote.report.page_sections.section import section_facts
from byrote.report.passages import chosen
from byrote.report.schema import schema_of
from byrote.report.twin import VERSION
from byrote.results import PerCanary, PerExample, Scalar
from byrote.runs.run import Run

#: So many documents are named whose presence matters most.
TOP = 100


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that the `report.json` of every language model fits."""
    says = (
        "What a report of a run of language models says, for programs. Numbers are null where they are unknown. It "
        "names documents, and holds no text and no secret."
    )
    return schema_of(LanguageReportFacts, "byrote report of language models", says)


def language_twin(run: Run, found: LanguageFacts, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """What the report says, for programs; it names documents and canaries, and holds no text and no secret."""
    about, kept = run.manifest.dataset, all_asked(run)
    texts = Texts.of(run, show_secrets=False, redact=True)
    sections = language_sections(run, found, figures, texts, shown_passages(run, found, texts))
    return {
        "schema": VERSION,
        "byrote": run.manifest.byrote,
        "run": {
            "name": run.folder.resolve().name,
            "created": run.manifest.created,
            "origin": run.manifest.origin,
            "dataset": about["name"],
            "documents": len(run.ids),
            "heldout_documents": about["heldout_documents"],
            "tokens": about["tokens"],
            "vocabulary": about["vocabulary"],
            "models": found.inside.models,
            "parameters": run.manifest.parameters,
        },
        "headline": {"title": title(found), "lead": lead(run, found), "warnings": warnings(run, found)},
        "predicted": {
            "trained": scalar(found.inside),
            "heldout": scalar(found.outside),
            "surprise": finite(found.surprise),
            "guess": finite(found.guess),
        },
        "recited": _recited(run, found),
        "secrets": None if found.exposures is None else _secrets(found, found.exposures),
        "unintended_memorization": _judged(found.memorized),
        "heldout_loss": _judged(found.use),
        "counterfactual_memorization": _counterfactual(run, found.counterfactual),
        "figures": {
            name: {"title": figure.title, "columns": list(figure.columns), "rows": [list(row) for row in figure.rows]}
            for name, figure in figures.items()
        },
        "notes": list(run.manifest.notes),
        "sections": section_facts(sections),
        **({"analyses": asked_facts(kept)} if kept else {}),
    }


def _recited(run: Run, found: LanguageFacts) -> dict[str, Any]:
    texts, checked = found.recitation, found.confirmation
    return {
        "prefix": found.lengths[0],
        "suffix": found.lengths[1],
        "documents": {name: getattr(found.judged, name) for name in ("documents", "judged", "short", "unread")},
        "trained": dict(zip(("recited", "texts"), texts.of_trained, strict=True)),
        "never_seen": dict(zip(("recited", "texts"), texts.of_others, strict=True)),
        "confirmed": None
        if checked is None
        else {
            "confirmed": checked.confirmed,
            "read_only": checked.read_only,
            "generated_only": checked.generated_only,
            "disputed_margin": finite(checked.disputed_margin),
        },
        "drawn": found.drawn,
        "per_tenfold": {name: scalar(figure) for name, figure in found.growth.items()},
        "texts": [
            {
                "document": str(run.ids[texts.document[row]]),
                "copies": int(texts.copies[row]),
                "recited": bool(texts.recited[row]),
                "models": int(texts.reciting[row]),
                "log10_queries": finite(float(texts.log10_queries[row])),
            }
            for row in chosen(texts).tolist()
        ],
    }


def _secrets(found: LanguageFacts, exposures: PerCanary) -> dict[str, Any]:
    p_values = adjusted(exposures)
    sides = {name: known_secrets(found, planted=planted) for name, planted in (("planted", True), ("controls", False))}
    return {
        "space_bits": list(found.space_bits),
        **{name: {"known": known, "canaries": asked} for name, (known, asked) in sides.items()},
        "exposure": [
            {
                "canary": row,
                "repetitions": int(exposures.repetitions[row]),
                "value": finite(float(exposures.values[row])),
                "low": finite(float(exposures.low[row])),
                "high": finite(float(exposures.high[row])),
                "at_least": bool(exposures.at_least[row]),
                "p_value": finite(float(p_values[row])),
                **({"reason": exposures.reason(row)} if exposures.reason_code[row] else {}),
            }
            for row in range(len(exposures.values))
        ],
    }


def _judged(figure: Scalar | None) -> dict[str, Any] | None:
    return None if figure is None else {**scalar(figure), "note": figure.note}


def _counterfactual(run: Run, result: PerExample | None) -> dict[str, Any] | None:
    if result is None:
        return None
    order = np.argsort(-np.nan_to_num(result.values, nan=-np.inf), kind="stable")[:TOP]
    return {
        "models": result.models,
        "documents": int((result.reason_code == 0).sum()),
        "top": [
            {"document": str(run.ids[row])}
            | {
                name: finite(float(getattr(result, of)[row]))
                for name, of in {"value": "values", "stderr": "stderr", "low": "low", "high": "high"}.items()
            }
            for row in order.tolist()
            if result.reason_code[row] == 0
        ],
    }
