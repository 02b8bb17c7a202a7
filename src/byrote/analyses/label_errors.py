"""How surely each given label is wrong: by a score or, where a self-test was made, by a probability."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit
from scipy.stats import binomtest

from byrote.analyses.catalog import kept_table
from byrote.data.controls import LABEL_NOISE
from byrote.evidence.by_model import ByModel, shape_of
from byrote.measures.label_error_probability import log_odds_of_labels
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run
from byrote.stats.intervals import UPPER, adjusted_rate
from byrote.stats.planted_scores import FARTHEST, MOST, Curve, curve, curves

#: The analysis whose table says that models were tested.
SELF_TEST: Final = "self_test"
#: The figure of that table: the share of the labels made wrong on purpose that are flagged.
FLAGGED: Final = "flagged"
#: A label is taken as wrong from this score on, if a wrong label is as bad as a missed one.
WRONG: Final = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelErrors:
    """By example: whether its label is taken as wrong, and how surely it is.

    `sure` is the score `label_error_probability`, or, if `calibrated`, a probability. `tested` is the share of the
    labels made wrong on purpose that are flagged: those of the self-test, or else those planted in the run's own data;
    None without either. `own` are the examples without a planted control.
    """

    sure: PerExample
    flagged: Bool[np.ndarray, " example"]
    own: Bool[np.ndarray, " example"]
    tested: Scalar | None
    calibrated: bool

    @property
    def named(self) -> Bool[np.ndarray, " example"]:
        """The flagged ones, without those that are certainly less likely wrong than right."""
        return self.flagged & ~(self.sure.high < WRONG) if self.calibrated else self.flagged


def label_errors(run: Run) -> LabelErrors:
    """The label errors of a run; with probabilities if some wrong labels are known and it has more than two classes.

    Raises:
        MissingEvidence, TooFewModels: label errors cannot be estimated.
    """
    score = run.measure("label_error_probability")
    assert isinstance(score, PerExample)
    tested = self_tested(run) or tested_within(run, score)
    calibrated = tested is not None and len(run.class_names) > 2
    return LabelErrors(
        sure=probabilities(run, score) if calibrated else score,
        flagged=score.values > WRONG,
        own=~np.isin(run.ids, run.controls.example),
        tested=tested,
        calibrated=calibrated,
    )


def self_tested(run: Run) -> Scalar | None:
    """The share of labels made wrong on purpose that models beside the run's flag; None where none were trained."""
    found = kept_table(run, SELF_TEST)
    return None if found is None else found.figures.get(FLAGGED, (None,))[0]


def tested_within(run: Run, score: PerExample) -> Scalar | None:
    """The share flagged of the labels that were planted wrong in the run's own data; None where none were."""
    wrong = run.controls.mask(run.ids, LABEL_NOISE)
    return share_flagged(score.values[wrong], len(run.models())) if wrong.any() else None


def share_flagged(scores: Float[np.ndarray, " wrong"], models: int) -> Scalar:
    """The share of these wrong labels that are flagged; the interval is Wilson's, over labels."""
    trials, hits = len(scores), int((scores > WRONG).sum())
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    rate = float(adjusted_rate(np.array([hits]), np.array([trials]))[0])
    return Scalar(
        value=hits / trials,
        stderr=float(np.sqrt(rate * (1 - rate) / trials)),
        low=float(interval.low),
        high=float(interval.high),
        models=models,
        examples=trials,
        varies_over="examples",
    )


def untested(run: Run) -> str:
    """Why no self-test is made of a run beside its audit; empty where one is."""
    if not run.learns.of_classes:
        return "a self-test is about one class per example"
    if (run.controls.kind == LABEL_NOISE).any():
        return "labels were made wrong in its own data"
    return ""


def probabilities(run: Run, score: PerExample) -> PerExample:
    """The score as the probability that the label is wrong.

    What score a wrong label gets is known: for each example another label is drawn at random, which is scored by the
    models that were not trained on the example, and so never saw its label. How many of the given labels are wrong,
    and how likely each is, are estimated together: they separate drawn labels from given ones best
    (`planted_scores.curve`).
    Examples with a planted control do not count: how many labels were planted wrong says nothing of the others.
    It takes three classes: of two, the drawn label is the given one turned round, and tells nothing new. The interval
    is over models and over the examples that the curve is fitted to, of which 20,000 do.
    """
    models, some = run.models(), slice(None, None, -(-len(run.ids) // MOST))
    answers = ByModel(len(models), lambda row: run.load("outputs.logits", models[row : row + 1], some)[0])
    labels, classes = run.labels[some], shape_of(answers)[2]
    drawn = np.random.default_rng([0, 9]).integers(1, classes, len(labels))
    asked = np.stack([labels, (labels + drawn) % classes])
    given, other = log_odds_of_labels(answers, labels, run.member[np.ix_(models, np.arange(len(run.ids))[some])], asked)
    own, ways = ~np.isin(run.ids[some], run.controls.example), classes - 1
    found = curve(given[own], other[own], ways)
    again = curves(given[own], other[own], ways, rng=np.random.default_rng([0, 10]))
    with np.errstate(divide="ignore"):
        middle, low, high = (found.log_odds(logit(one)) for one in (score.values, score.low, score.high))
        least, largest = _range(again, logit(score.values))
    return replace(
        score,
        values=expit(middle),
        low=expit(middle - np.hypot(middle - low, np.maximum(middle - least, 0.0))),
        high=expit(middle + np.hypot(high - middle, np.maximum(largest - middle, 0.0))),
        stderr=score.stderr * np.nan,
    )


def _range(again: list[Curve], scores: Float[np.ndarray, " example"]) -> Float[np.ndarray, "bound example"]:
    """Where 95 % of the curves have the log-odds of each score."""
    asked = np.linspace(-FARTHEST, FARTHEST, 601)
    bounds = np.quantile([one.log_odds(asked) for one in again], [1 - UPPER, UPPER], axis=0)
    return np.stack([np.interp(np.clip(scores, -FARTHEST, FARTHEST), asked, one) for one in bounds])
