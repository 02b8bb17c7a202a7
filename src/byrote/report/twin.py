"""The report for programs: the same figures and reasons as JSON, by a published schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from byrote.analyses.membership import AttackFigures
from byrote.analyses.memorized_share import MEMORIZED
from byrote.evidence.seals import BLANK, KEY
from byrote.report.asked import asked_facts
from byrote.report.attacks import Attacks
from byrote.report.facts import Facts
from byrote.report.figure_facts import FigureFacts, finite, scalar
from byrote.report.findings import Findings
from byrote.report.grouped import Grouped
from byrote.report.missing import Missing
from byrote.report.page_sections.of_run import page_sections
from byrote.report.page_sections.section import section_facts
from byrote.report.schema import schema_of
from byrote.report.sections import Sections
from byrote.report.twin_shapes import ReportFacts
from byrote.report.watched import Watched
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run

FILE = "report.json"
VERSION = 1
#: So many of the most memorized examples are named.
TOP = 100


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every `report.json` fits."""
    says = (
        "What a report says, for programs. A figure is null where it is unknown or undefined, and says why. Higher "
        "scores: more memorized."
    )
    return schema_of(ReportFacts, "byrote report", says)


def twin(run: Run, found: Findings, shown: Sections) -> dict[str, Any]:
    """What the report says, for programs; it names ids and holds no contents."""
    facts = found.facts
    return {
        "schema": VERSION,
        "byrote": run.manifest.byrote,
        "run": {
            "name": run.folder.resolve().name,
            "created": run.manifest.created,
            "origin": run.manifest.origin,
            "dataset": run.manifest.dataset["name"],
            "examples": len(run.ids),
            "classes": len(run.class_names),
            "models": facts.models if isinstance(facts, Watched) else facts.memorization.models,
        },
        "headline": {
            "title": shown.headline.title,
            "lead": shown.headline.lead,
            "warning": shown.headline.warning,
            "answers": [{"question": question, "answer": answer} for question, answer in shown.headline.answers],
        },
        "next": [{"why": step.why, "commands": list(step.commands)} for step in shown.steps],
        "memorization": _watched(run, facts) if isinstance(facts, Watched) else _memorization(run, facts),
        "scores": [] if isinstance(facts, Watched) else _detections(facts),
        "attacks": _attacks(found.attacks),
        "groups": _groups(found.grouped),
        "comparison": _comparison(found),
        "triage": _triage(found),
        "onion": _onion(found),
        "figures": {
            name: {"title": figure.title, "columns": list(figure.columns), "rows": [list(row) for row in figure.rows]}
            for name, figure in shown.figures.items()
        },
        "missing": dict(shown.missing),
        "notes": list(facts.notes),
        "sections": _sections(run, found, shown),
        **({"analyses": asked_facts(shown.kept)} if shown.kept else {}),
    }


def _sections(run: Run, found: Findings, shown: Sections) -> list[dict[str, Any]]:
    """The sections of the page but triage, which has a key of its own; nothing in them hangs on data at hand."""
    if not isinstance(shown.gallery, Missing):
        shown = replace(shown, gallery=replace(shown.gallery, contents=False, stretched=False))
    return section_facts(one for one in page_sections(run, found, shown) if one.name != "triage")


def twin_text(made: dict[str, Any]) -> str:
    """The twin as it is written."""
    return json.dumps({KEY: BLANK, **made}, indent=1, allow_nan=False) + "\n"


def _memorization(run: Run, facts: Facts) -> dict[str, Any]:
    return {
        "measured": True,
        "score": "label_memorization",
        "line": MEMORIZED,
        "share": scalar(facts.memorized),
        "share_corrected": None if facts.memorized_corrected is None else scalar(facts.memorized_corrected),
        "mean": {name: scalar(figure) for name, figure in facts.mean_memorization.items()},
        "accuracy": {
            name: scalar(figure)
            for name, figure in {
                "member": facts.member_accuracy,
                "nonmember": facts.nonmember_accuracy,
                "heldout": facts.heldout_accuracy,
                "full_heldout": facts.full_accuracy,
            }.items()
            if figure is not None
        },
        "interpolates": facts.interpolates,
        "top": _top(run, facts.memorization),
    }


def _watched(run: Run, facts: Watched) -> dict[str, Any]:
    accuracy = {"member": facts.member_accuracy, "heldout": facts.heldout_accuracy}
    return {
        "measured": False,
        "reason": facts.why.why,
        "score": facts.lead.key,
        "accuracy": {name: scalar(figure) for name, figure in accuracy.items() if figure is not None},
        "top": _top(run, facts.result),
    }


def _top(run: Run, result: PerExample) -> list[dict[str, Any]]:
    order = np.lexsort((np.arange(len(result.values)), -np.nan_to_num(result.values, nan=-np.inf)))[:TOP]
    return [
        {"example": str(run.ids[row]), "row": int(row)}
        | {name: finite(float(getattr(result, of)[row])) for name, of in _PARTS.items()}
        for row in order
        if result.reason_code[row] == 0
    ]


_PARTS = {"value": "values", "stderr": "stderr", "low": "low", "high": "high"}


def _detections(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "score": detection.measure.key,
            "control": detection.kind,
            "average_precision": scalar(detection.average_precision),
            "auroc": scalar(detection.auroc),
        }
        for detection in facts.detections
    ]


def _attacks(found: Attacks | Missing) -> dict[str, Any]:
    if isinstance(found, Missing):
        return {"reason": found.why}
    return {
        "examples": found.examples,
        "attacks": [_attack(one) for one in found.found],
        "refused": {name: reason.why for name, reason in found.refused},
    }


def _attack(found: AttackFigures) -> dict[str, Any]:
    return {
        "attack": found.attack,
        "by": found.by,
        "models": found.models,
        "references": found.references,
        "figures": _scalars(found.figures),
        "null": scalar(found.null),
        "slices": {
            axis: {value: _scalars(figures) for value, figures in slices.items()}
            for axis, slices in found.slices.items()
        },
        "curve": {
            "false_positive_rate": _numbers(found.curve.at),
            "value": _numbers(found.curve.values[0]),
            "low": _numbers(found.curve.low[0]),
            "high": _numbers(found.curve.high[0]),
        },
        "notes": list(found.notes),
    }


def _groups(found: Grouped | Missing | None) -> dict[str, Any] | None:
    if found is None:
        return None
    if isinstance(found, Missing):
        return {"reason": found.why}
    attack = {"reason": found.attack.why} if isinstance(found.attack, Missing) else _attack(found.attack)
    return {
        "groups": found.total,
        "column": found.column,
        "attacked": found.attacked,
        "attack": attack,
        "above_chance": int(found.clear.sum()),
        "above_chance_by_chance": found.by_chance,
        "top": [
            {"group": row.name, "examples": row.examples}
            | {name: finite(getattr(row, name)) for name in ("risk", "stderr", "low", "high", "memorization")}
            for row in found.top()
        ],
    }


def _comparison(found: Findings) -> dict[str, Any]:
    if isinstance(found.comparison, Missing):
        return {"reason": found.comparison.why}
    return {
        "reliability": finite(found.comparison.reliability),
        "scores": [
            {
                "score": proxy.measure.key,
                "rank_correlation": scalar(proxy.rank_correlation),
                "given_cumulative_sample_loss": None if proxy.adds is None else scalar(proxy.adds),
                "top_recall": scalar(proxy.top_recall),
                "one_training": None if proxy.one_training is None else scalar(proxy.one_training),
                "average_precision": _scalars(proxy.average_precision),
            }
            for proxy in found.comparison.proxies
        ],
        "notes": list(found.comparison.notes),
    }


def _triage(found: Findings) -> dict[str, Any]:
    if isinstance(found.triaged, Missing):
        return {"reason": found.triaged.why}
    return {
        "kinds": list(found.triaged.kinds),
        "counts": dict(found.triaged.counts),
        "accuracy": None if found.triaged.accuracy is None else finite(found.triaged.accuracy),
        "accuracy_stderr": None if found.triaged.accuracy_stderr is None else finite(found.triaged.accuracy_stderr),
        "not_told_apart": [list(pair) for pair in found.triaged.alike],
        "confidence": None if found.triaged.confidence is None else finite(found.triaged.confidence),
        "verdicts": dict(found.triaged.verdicts),
        "notes": list(found.triaged.notes),
    }


def _onion(found: Findings) -> dict[str, Any] | None:
    if found.onion is None:
        return None
    return {"shown": found.onion.shown, "layers": {name: _scalars(arms) for name, arms in found.onion.layers.items()}}


def _scalars(figures: Mapping[str, Scalar]) -> dict[str, FigureFacts]:
    return {name: scalar(figure) for name, figure in figures.items()}


def _numbers(values: np.ndarray) -> list[float | None]:
    return [finite(float(value)) for value in values]
