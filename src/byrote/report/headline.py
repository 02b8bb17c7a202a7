"""The top of the report: what was memorized, how sure that is, and how well the models do, in plain words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from byrote.analyses.card import INTERPOLATES
from byrote.analyses.memorized_share import LEAST_MEMORIZED, MEMORIZED
from byrote.data.controls import LABEL_NOISE
from byrote.report.facts import Facts
from byrote.report.summary import found_words, percent
from byrote.report.text import capital, count, kind_words, number
from byrote.report.trajectories import CLEAN
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run
from byrote.stats.intervals import agresti_caffo


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A big figure: a number, its error, and what it counts."""

    label: str
    value: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Figures that belong together, and a line of explanation."""

    title: str
    figures: tuple[Figure, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What a person reads first."""

    title: str
    lead: str
    answers: tuple[tuple[str, str], ...]
    warning: str
    tiles: tuple[Tile, ...]

    def answer(self, question: str) -> str:
        """The first sentence of the answer to a question; empty where it is not asked."""
        return first_sentence(dict(self.answers).get(question, ""))


#: From so many models on, half of them on each side, the interval of one example can lie wholly above the line.
FEWEST_FOR_ONE = 16
#: If models fit less than this share of their training data, the headline is not a share of memorized examples.
FITS = 0.9
_UNFIT = "These models did not fit the data that they were trained on"
_GAP = f"at least {100 * MEMORIZED:.0f} percentage points"


def first_sentence(text: str) -> str:
    """The first sentence of a text.

    Example:
        >>> first_sentence("An attack finds 11.6 % of them. More cannot be told.")
        'An attack finds 11.6 % of them.'
    """
    return re.split(r"(?<=[a-z%)\d]\.) ", text, maxsplit=1)[0]


def headline(run: Run, facts: Facts, risk: str = "", groups: str = "") -> Headline:
    """The headline of a run; `risk` says what memorization puts at risk, `groups` what of whole groups."""
    examples = len(run.ids)
    few = facts.memorized_corrected is None
    share, words = percent(facts.share_memorized), facts.wording
    title = (
        f"Raw share memorized, from {facts.memorization.models} models: {share} of the {examples:,} examples"
        if few
        else f"An estimated {share} of the {examples:,} examples are memorized"
    )
    lead = (
        f"Memorized: models trained on an example {words.right} more often, by {_GAP}, than models not trained on it. "
        f"{_scatter(facts)}"
    )
    return Headline(
        title=_UNFIT if unfit(facts) else title,
        lead=_why_unfit(facts) if unfit(facts) else lead,
        answers=(
            ("How precise is this?", _certainty(facts)),
            *([("What is at risk?", risk)] if risk else []),
            *([("And of whole persons or documents?", groups)] if groups else []),
            *([("Are planted controls detected?", _check(facts))] if len(facts.mean_memorization) > 1 else []),
            ("How accurate are the models?", _generalisation(facts)),
            ("Do the models fit their training data?", _fit(facts)),
        ),
        warning=_warning(facts),
        tiles=_tiles(run, facts),
    )


def unfit(facts: Facts) -> bool:
    """Whether the models fit too little of their training data for a headline with the memorized share."""
    return facts.member_accuracy.value < FITS


def _why_unfit(facts: Facts) -> str:
    words = facts.wording
    return (
        f"They {words.right_on} {percent(facts.member_accuracy)} of the {words.targets} they were trained on. They "
        "cannot have memorized what they did not fit, so no share of memorized examples is shown here: train "
        "longer, or with a larger network, and audit again."
    )


def _scatter(facts: Facts) -> str:
    if facts.memorized_corrected is None:
        return (
            "This share is not corrected for noise: with few models, many estimates pass that threshold by "
            f"chance only. {facts.uncorrected}."
        )
    return (
        f"Noise lifts some estimates over this threshold: the raw share is {percent(facts.memorized)}, the "
        f"corrected share {percent(facts.share_memorized)}."
    )


def _certainty(facts: Facts) -> str:
    result = facts.memorization
    defined = result.reason_code == 0
    if not defined.any():
        return f"No example has a score: {result.reasons[-1]}."
    found = result.values[defined] >= LEAST_MEMORIZED
    clear = int((result.low[defined] > MEMORIZED).sum())
    sides = ""
    if {"members", "nonmembers"} <= set(result.counts):
        inside, outside = (float(np.median(result.counts[side][defined])) for side in ("members", "nonmembers"))
        sides = f": a typical example was in the training data of {inside:.0f} of them and missing from {outside:.0f}"
    text = (
        f"It rests on {count(result.models, 'model')}{sides}. The score of one example has a standard error of "
        f"about {number(float(np.nanmedian(result.stderr[defined])))}. "
    )
    if found.any() and _highest_lower_end(result, defined) <= MEMORIZED:
        text += (
            f"With so few models no interval can lie wholly above {MEMORIZED}, so no single example can be "
            f"called memorized; that takes {FEWEST_FOR_ONE} models. "
        )
    elif found.any():
        total = int(found.sum())
        many = "all" if clear == total else f"{clear:,}"
        text += (
            f"Of the {count(total, 'example')} at or above {MEMORIZED}, {many} have a 95 % interval wholly above "
            f"{MEMORIZED}; an example truly below it gets one with a probability of at most about 1/40. "
        )
    if not defined.all():
        reasons = sorted({result.reason(int(row)) for row in np.flatnonzero(~defined)})
        text += f"{count(int((~defined).sum()), 'example has', 'examples have')} no score ({'; '.join(reasons)}). "
    return text.strip()


def _highest_lower_end(result: PerExample, defined: np.ndarray) -> float:
    """The lower end of the interval of an example that all models with it and none without it get right."""
    if not {"members", "nonmembers"} <= set(result.counts):
        return 1.0
    inside, outside = (result.counts[side][defined] for side in ("members", "nonmembers"))
    return float(np.max(agresti_caffo(inside, inside, np.zeros_like(outside), outside).low))


def _check(facts: Facts) -> str:
    parts = [
        f"{figure.examples:,} examples carry planted {kind_words(name)}: mean memorization {_brief(figure)}"
        for name, figure in facts.mean_memorization.items()
        if name != CLEAN
    ]
    text = "; ".join(parts)
    if CLEAN in facts.mean_memorization:
        rest = facts.mean_memorization[CLEAN]
        text += f". For the {rest.examples:,} examples without a planted control it is {_brief(rest)}"
    kinds = [name for name in facts.mean_memorization if name != CLEAN]
    shown = LABEL_NOISE if LABEL_NOISE in kinds else kinds[0]
    return " ".join([f"{text}.", *found_words(facts, shown, _brief)])


def _generalisation(facts: Facts) -> str:
    words = facts.wording
    text = (
        f"They {words.right_on} {percent(facts.member_accuracy)} of the {words.targets} they were trained on and "
        f"{words.right_on.split()[-1]} {percent(facts.nonmember_accuracy)} of the {words.targets} they were not"
    )
    if facts.nonmember_balanced is not None:
        text += (
            f" ({percent(facts.nonmember_balanced)} as the mean over classes, of which some are far larger than others)"
        )
    if facts.heldout_accuracy is not None:
        text += f". On held-out data, which no model saw, {words.rate} is {percent(facts.heldout_accuracy)}"
    if facts.full_accuracy is not None:
        text += f"; models trained on everything reach {percent(facts.full_accuracy)} there"
    if LABEL_NOISE in facts.mean_memorization and facts.heldout_accuracy is not None:
        text += ". Planted wrong labels count against the models in the first two figures and not on held-out data"
    return text + "."


def _fit(facts: Facts) -> str:
    words = facts.wording
    if math.isnan(facts.member_accuracy.value):
        return "Unknown: it was not recorded which examples the models were trained on."
    if facts.interpolates:
        return (
            f"Yes. They fit {percent(facts.member_accuracy)} of the {words.targets} they were trained on, so that "
            f"hardly any memorization is hidden by {words.targets} left unfitted."
        )
    return f"Only in part. They fit {percent(facts.member_accuracy)} of the {words.targets} they were trained on."


def _warning(facts: Facts) -> str:
    if math.isnan(facts.member_accuracy.value):
        return (
            f"{capital(facts.wording.rate)} on training data is unknown, so it is unknown whether these models "
            "could memorize."
        )
    if facts.collapsed:
        return f"{facts.collapsed_words}. A smaller learning rate, or a slow start of it, usually helps."
    if facts.interpolates or unfit(facts):
        return ""
    return (
        f"The models did not fit all of their own training data: {facts.wording.rate} on it is "
        f"{percent(facts.member_accuracy)}, below {INTERPOLATES:.0%}. What they did not fit they cannot have "
        "memorized, so these figures may be too low. Train longer, or with a larger network."
    )


def _tiles(run: Run, facts: Facts) -> tuple[Tile, ...]:
    words = facts.wording
    accuracy = {
        "trained on": facts.member_accuracy,
        "not trained on": facts.nonmember_accuracy,
        "held out": facts.heldout_accuracy,
    }
    means = sorted(facts.mean_memorization.items(), key=lambda item: item[0] == CLEAN)
    full = len(run.design.models_of("full"))
    note = "trained on parts of the data" + (f"; {full:,} more on all of it" if full else "")
    return (
        Tile(
            title="Memorized",
            figures=_memorized(facts),
            note=f"{words.score} of {MEMORIZED} or more{'; too low where models do not fit' if unfit(facts) else ''}",
        ),
        Tile(
            title=f"Mean {words.score}",
            figures=tuple(_figure(_words(name, len(means)), figure, percents=False) for name, figure in means),
            note=f"0: training on the example has no effect; 1: {words.whole}",
        ),
        Tile(
            title=words.rate_title,
            figures=tuple(_figure(name, figure, percents=True) for name, figure in accuracy.items() if figure),
            note="mean over models",
        ),
        Tile(
            title="Models",
            figures=(Figure(label="in the ensemble", value=f"{facts.memorization.models:,}", error=""),),
            note=note,
        ),
    )


def _memorized(facts: Facts) -> tuple[Figure, ...]:
    if facts.memorized_corrected is None:
        return (_figure("raw share", facts.memorized, percents=True),)
    return (
        _figure("corrected share", facts.memorized_corrected, percents=True),
        _figure("raw share", facts.memorized, percents=True),
    )


def _words(name: str, groups: int) -> str:
    if name != CLEAN:
        return f"planted {kind_words(name)}"
    return "no planted control" if groups > 1 else "all examples"


def _figure(label: str, figure: Scalar, *, percents: bool) -> Figure:
    if math.isnan(figure.value):
        return Figure(label=label, value="–", error=figure.reason or "undefined")
    value, _, error = (percent(figure) if percents else _brief(figure)).partition(" ± ")
    return Figure(
        label=label,
        value=value if not percents or value.endswith("%") else f"{value} %",
        error=f"± {error}" if error else "error unknown",
    )


def _brief(figure: Scalar) -> str:
    """A figure to the first digit of its standard error, and at least two decimals."""
    if math.isnan(figure.value):
        return f"undefined ({figure.reason})" if figure.reason else "undefined"
    if math.isnan(figure.stderr) or figure.stderr <= 0:
        return number(figure.value)
    places = min(4, max(2, -math.floor(math.log10(figure.stderr))))
    return f"{number(figure.value, places)} ± {number(figure.stderr, places)}"
