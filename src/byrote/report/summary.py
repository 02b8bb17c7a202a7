"""The words of the terminal: a run's facts in sentences, a card's rows as a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from byrote.analyses.card import INTERPOLATES, Card
from byrote.analyses.memorized_share import MEMORIZED
from byrote.data.controls import LABEL_NOISE
from byrote.report.facts import Detection, Facts
from byrote.report.text import capital, planted_words
from byrote.report.trajectories import CLEAN
from byrote.report.wording import CLASSES, Wording
from byrote.results import Scalar
from byrote.results import decimal as decimal

#: Errors of pooled figures come from leaving out pairs of models, of which there must be 3.
MODELS_FOR_ERRORS = 6
#: What an error is about, in the words of the terminal.
WHAT_VARIES = (
    "± is a standard error. For accuracy on non-members and held-out data and for detection it is about other models "
    "and other examples; for all else it is about other models on these examples."
)


def percent(figure: Scalar) -> str:
    """A share with its standard error, in per cent, to the first digit of that error and at least one decimal."""
    if math.isnan(figure.value):
        return f"an undefined share ({figure.reason})" if figure.reason else "an undefined share"
    error = 100 * figure.stderr
    places = 1 if math.isnan(error) or error <= 0 else min(3, max(1, -math.floor(math.log10(error))))
    return f"{100 * figure.value:.{places}f}{'' if math.isnan(error) else f' ± {error:.{places}f}'} %"


def sentences(facts: Facts) -> list[str]:
    """What was found, most important first, each figure with its standard error."""
    means = [
        f"{decimal(figure)} for {_group(facts, name)}"
        for name, figure in facts.mean_memorization.items()
        if not math.isnan(figure.value)
    ]
    lines = [_memorized(facts), *([f"Mean {facts.wording.score}: {'; '.join(means)}."] if means else [])]
    accuracy = (
        f"{facts.wording.rate_title}: {percent(facts.member_accuracy)} on members, "
        f"{percent(facts.nonmember_accuracy)} on non-members"
    )
    if facts.heldout_accuracy is not None:
        accuracy += f", {percent(facts.heldout_accuracy)} on held-out data"
    lines.append(accuracy + ".")
    if math.isnan(facts.memorized.stderr) and facts.memorization.models < MODELS_FOR_ERRORS:
        lines.append(f"Figures without ± have no known error: it takes {MODELS_FOR_ERRORS} models, in pairs.")
    else:
        lines.append(WHAT_VARIES)
    if facts.collapsed:
        lines.append(f"{facts.collapsed_words}.")
    elif not facts.interpolates:
        lines.append(
            f"The models did not converge on their own training data (below {INTERPOLATES:.0%}): what they did not fit "
            "they cannot have memorized. Train longer, or with a larger network."
        )
    for kind in dict.fromkeys(detection.kind for detection in facts.detections):
        lines += found_words(facts, kind, decimal)
    if facts.memorization.note:
        lines.append(f"{capital(facts.memorization.note).rstrip('.')}.")
    return lines + [note if note.endswith(".") else f"{note}." for note in facts.notes]


def _group(facts: Facts, name: str) -> str:
    examples = facts.mean_memorization[name].examples
    if name == LABEL_NOISE:
        return f"the {examples:,} examples with {planted_words(name, facts.wording.targets)}"
    if name != CLEAN:
        return f"the {examples:,} {planted_words(name)}"
    return (
        f"the {examples:,} examples without a planted control" if len(facts.mean_memorization) > 1 else "all examples"
    )


def _memorized(facts: Facts) -> str:
    models, score, examples = facts.memorization.models, facts.wording.score, len(facts.memorization.values)
    if np.isnan(facts.memorization.values).all():
        return f"{capital(score)} is {facts.memorization.undefined or 'undefined: there is no example'}."
    if facts.memorized_corrected is None:
        return (
            f"Raw share memorized ({score} >= {MEMORIZED}): {percent(facts.memorized)} of {examples:,} examples, from "
            f"{models} models. It is not corrected for noise: with few models, many examples pass {MEMORIZED} "
            f"by chance only. {facts.uncorrected}."
        )
    return (
        f"Memorized ({score} >= {MEMORIZED}): {percent(facts.memorized_corrected)} of {examples:,} examples, from "
        f"{models} models. Raw share, before noise correction: {percent(facts.memorized)}."
    )


def found_words(facts: Facts, kind: str, figure: Callable[[Scalar], str]) -> list[str]:
    """How planted controls of a kind are found: by the score named beforehand, and by the best of all."""
    named, best, scores = facts.judged(kind)
    planted = planted_words(kind, facts.wording.targets)

    def of(detection: Detection) -> str:
        return f"average precision {figure(detection.average_precision)}, AUROC {figure(detection.auroc)}"

    if best is not None and not facts.found(kind):
        return [
            f"No score detects {planted} better than chance: the best of {scores}, {best.measure.key}, has AUROC "
            f"{figure(best.auroc)} (chance 0.5)."
        ]
    tied = [detection.measure.key for detection in facts.tied(kind)]
    lines = []
    if named is not None:
        lines.append(
            f"Detection of {planted}: {named.measure.key} (chosen beforehand), {of(named)}. Both rise with more models."
        )
    if best is not None and (named is None or best.measure.key != named.measure.key):
        lines.append(
            f"Best of {scores} scores for {planted}: {_listed(tied)}, {of(best)} (best of {scores}: biased upwards)."
        )
    elif best is not None:
        others = [key for key in tied if key != best.measure.key]
        lines.append(f"It is also the best of {scores} scores{', with ' if others else ''}{_listed(others)}.")
    return lines


def _listed(keys: list[str]) -> str:
    """All of a few names, of more the first and how many others there are."""
    return " and ".join(keys) if len(keys) < 3 else f"{keys[0]} and {len(keys) - 1} others"


def spoken(card: Card, words: Wording) -> Card:
    """A card in the words of its runs' targets."""
    terms = {"label memorization": words.score, "the same label": f"the same {words.target}"}
    judged = "" if words.close == CLASSES.close else f", answers {words.close}"

    def of(text: str) -> str:
        for one, other in terms.items():
            text = text.replace(one, other)
        return text

    rows = tuple(
        replace(row, name=of(row.name) + (judged if row.name.startswith("accuracy on") else "")) for row in card.rows
    )
    return replace(card, rows=rows, notes=tuple(of(note) for note in card.notes))
