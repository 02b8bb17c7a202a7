"""From what was measured to what a report shows: words, figures, cards and the table of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from byrote.analyses.issues import Issues
from byrote.data.controls import LABEL_NOISE
from byrote.data.copies import Copies
from byrote.report.asked import Asked, all_asked
from byrote.report.attack_drawings import by_slice, curves
from byrote.report.attacks import Attacks, risk_words
from byrote.report.examples import Examples, examples
from byrote.report.facts import Detection, Facts, changed
from byrote.report.figures import Figure, distribution, fitted, training
from byrote.report.findings import Findings
from byrote.report.first_look import FirstLook, first_look, watched_look
from byrote.report.gallery import Gallery, gallery, top_gallery
from byrote.report.grouped import Grouped, group_words
from byrote.report.grouped_figures import group_risks
from byrote.report.headline import Headline, headline
from byrote.report.heat_map import heat_map
from byrote.report.missing import Missing, where_possible
from byrote.report.next_steps import Step, next_steps
from byrote.report.peeled import drawn
from byrote.report.provenance import Provenance, provenance
from byrote.report.text import number
from byrote.report.trajectories import CLEAN, trajectories
from byrote.report.triaged import Triaged
from byrote.report.watched import Watched, trajectory_words, watched_headline, watched_steps
from byrote.runs.run import Run

LEAD = "label_memorization"


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well each score finds one kind of planted control, best first."""

    kind: str
    planted: int
    others: int
    chance: str
    rows: tuple[Detection, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sections:
    """What a report shows, in the order of the page; figures by name, and why those are missing that are."""

    changed: str
    headline: Headline
    first_look: FirstLook | None
    steps: tuple[Step, ...]
    gallery: Gallery | Missing
    examples: Examples
    figures: Mapping[str, Figure]
    missing: Mapping[str, str]
    rankings: tuple[Ranking, ...]
    provenance: Provenance
    kept: tuple[Asked, ...] = ()


def sections(run: Run, found: Findings) -> Sections:
    """The sections of a run's report."""
    facts = found.facts
    if isinstance(facts, Watched):
        return _watched(run, facts, found)
    verdicts = found.triaged.verdicts if isinstance(found.triaged, Triaged) else {}
    figures, missing = _figures(run, facts, found)
    risk = (
        risk_words(found.attacks, facts.wording.its)
        if isinstance(found.attacks, Attacks)
        else f"Unknown. {found.attacks.why}"
    )
    of_groups = group_words(found.grouped) if isinstance(found.grouped, Grouped) else ""
    return Sections(
        changed=next(iter(changed(run)), ""),
        headline=headline(run, facts, risk, of_groups),
        first_look=first_look(run, facts, found.issues),
        steps=next_steps(run, facts, found.attacks, found.triaged),
        gallery=where_possible(lambda: gallery(run, facts.memorization, found.known, verdicts, _copied(found))),
        examples=examples(run, LEAD, {LEAD: facts.memorization}, found.known, verdicts),
        figures=figures,
        missing=missing,
        rankings=_rankings(facts),
        provenance=provenance(run),
        kept=all_asked(run),
    )


def _watched(run: Run, found: Watched, all_found: Findings) -> Sections:
    everyone = np.ones(len(run.ids), bool)
    figures = {"distribution": distribution(found.result, {CLEAN: everyone}, found.lead.key, line=None)}
    missing = {}
    course = where_possible(lambda: trajectories(run, found.role))
    if isinstance(course, Missing):
        missing["training"] = trajectory_words(run, course)
    else:
        figures["training"] = training(course)
    return Sections(
        changed=next(iter(changed(run)), ""),
        headline=watched_headline(run, found),
        first_look=watched_look(run, found, all_found.issues),
        steps=watched_steps(run),
        gallery=top_gallery(run, found.result, all_found.known, _copied(all_found)),
        examples=examples(run, found.lead.key, found.columns, all_found.known, {}),
        figures=figures,
        missing=missing,
        rankings=(),
        provenance=provenance(run),
        kept=all_asked(run),
    )


def _copied(found: Findings) -> Copies | None:
    """The copies that the issues rest on, where the data are at hand."""
    return found.issues.copies if isinstance(found.issues, Issues) else None


def _figures(run: Run, facts: Facts, found: Findings) -> tuple[dict[str, Figure], dict[str, str]]:
    kinds = run.controls.kinds()
    masks = {kind: run.controls.mask(run.ids, kind) for kind in kinds}
    clean = ~np.any([np.zeros(len(run.ids), bool), *masks.values()], axis=0)
    figures = {"distribution": distribution(facts.memorization, {CLEAN: clean, **masks}, facts.wording.score)}
    missing = {}
    course = where_possible(lambda: trajectories(run))
    if isinstance(course, Missing):
        missing["training"] = course.why
    else:
        figures["training"] = training(course)
    curve = facts.curves.get("noisy_label_memorization")
    if curve is not None and LABEL_NOISE in kinds and not np.isnan(curve.values).all():
        figures["fitted"] = fitted(curve)
    if isinstance(found.attacks, Attacks):
        figures["roc"] = curves(found.attacks.found)
        slices = by_slice(found.attacks.first, classes=facts.wording.slices)
        if slices is not None:
            figures["slices"] = slices
    if isinstance(found.grouped, Grouped):
        if (found.grouped.risk.reason_code == 0).any():
            figures["group-risk"] = group_risks(found.grouped)
        if not isinstance(found.grouped.attack, Missing):
            figures["group-roc"] = curves((found.grouped.attack,), "group-roc")
            sizes = by_slice(found.grouped.attack, name="group-sizes")
            if sizes is not None:
                figures["group-sizes"] = sizes
    if found.onion is not None:
        figures["onion"] = drawn(found.onion)
    if not isinstance(found.comparison, Missing):
        scores = heat_map(found.comparison, facts.wording.score)
        if scores is not None:
            figures["scores-map"] = scores
    return figures, missing


def _rankings(found: Facts) -> tuple[Ranking, ...]:
    others = found.mean_memorization[CLEAN].examples if CLEAN in found.mean_memorization else 0
    rankings = []
    for kind in dict.fromkeys(detection.kind for detection in found.detections):
        planted = found.mean_memorization[kind].examples
        rows = tuple(detection for detection in found.detections if detection.kind == kind)
        chance = number(planted / max(planted + others, 1), 3)
        rankings.append(Ranking(kind=kind, planted=planted, others=others, chance=chance, rows=rows))
    return tuple(rankings)
