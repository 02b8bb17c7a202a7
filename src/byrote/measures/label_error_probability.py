"""Label error probability: how likely an example's given label is wrong, by models that never saw it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit, stdtrit

from byrote.evidence.by_model import Arrays, shape_of
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.intervals import UPPER, Interval
from byrote.stats.jackknife import parts, spread

#: Pairs of models are left out in at most this many parts.
GROUPS = 20


class LabelModel(NamedTuple):
    """What the given labels say about themselves: their noise rate, and how much sharper the answers should be."""

    noise_rate: float
    sharpness: float


#: Least and largest noise rate and sharpness.
_BOUNDS = ((1e-6, 0.5), (0.02, 50.0))
#: Where the search for the greatest likelihood begins.
_START = LabelModel(0.05, 1.0)
#: It begins no closer to a bound than this, in log-odds, where the likelihood is nearly flat.
_EDGE = 6.0


def _together(part: np.ndarray, evidence: Mapping[str, Any]) -> tuple[PerExample, np.ndarray] | None:
    """The measure and the replicates that its errors come from; None for other parts than its own."""
    if not np.array_equal(part, parts(evidence["pair"], groups=GROUPS)):
        return None
    return _measured(evidence["logits"], evidence["label"], evidence["member"], part)


def _without(part: np.ndarray, evidence: Mapping[str, Any]) -> np.ndarray:
    return _measured(evidence["logits"], evidence["label"], evidence["member"], part)[1]


@measure(
    needs=("outputs.logits", "data.label", "design.member", "design.pair"),
    unit="probability",
    range=(0.0, 1.0),
    higher="more likely mislabelled",
    source="Northcutt et al. 2021, arXiv:1911.00068, the class-conditional noise process of section 2",
    section="6.1",
    domain="generalization",
    level="example",
    evaluation="noisy label",
    by_example=False,
    without=_without,
    together=_together,
    by_model=("logits",),
)
def label_error_probability(
    logits: Arrays,
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> PerExample:
    r"""How likely the given label is wrong, judged by the models that were not trained on the example.

    Formula:
        s_i = softmax(t * mean(log p[k, i, :] : member[k, i] = 0))
        P(given label y) = (1 - r) s_iy + r (1 - s_iy) / (classes - 1)
        value = r (1 - s_iy) / (classes - 1) / P(given label y), with the noise rate r and the sharpness t
        of the greatest likelihood of all given labels; errors on the scale of log-odds, by leaving out pairs
    Undefined:
        nan where every model was trained on the example; the error is nan below 3 pairs of models.

    Example:
        >>> z = np.arange(1, 13)[:, None] * np.eye(3)[np.arange(12) % 3]
        >>> y = np.arange(12) % 3
        >>> y[11] = 0
        >>> outside = np.zeros((1, 12), np.int8)
        >>> label_error_probability(z[None], y, outside, np.array([-1])).values.round(2)[[0, 5, 11]]
        array([0., 0., 1.])

    Differs:
        Confident learning counts labels past per-class thresholds in one cross-validation; here the noise rate
        comes from the likelihood, the noise is taken as the same between all classes, and the answers are
        averaged over an ensemble. The noise rate is held below one half. Where the noise prefers some classes, the
        value ranks well but is too low.
    """
    return _measured(logits, label, member, parts(pair, groups=GROUPS))[0]


def log_odds_of_labels(
    logits: Arrays,
    label: Int[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    asked: Int[np.ndarray, "labelling example"],
) -> Float[np.ndarray, "labelling example"]:
    """The log-odds that labels are wrong which the examples could have, by the models that were not trained on them.

    Noise rate and sharpness are those of the given labels. NaN where every model was trained on the example.

    Example:
        >>> z = np.arange(1, 13)[:, None] * np.eye(3)[np.arange(12) % 3]
        >>> y = np.arange(12) % 3
        >>> outside = np.zeros((1, 12), np.int8)
        >>> found = log_odds_of_labels(z[None], y, outside, np.stack([y, (y + 1) % 3]))
        >>> (found[0] < 0).all(), (found[1] > 0).all()
        (np.True_, np.True_)
    """
    sums, counts = _sums_by_part(logits, member == 0, np.zeros(len(member), np.int64))
    found, some = np.full(asked.shape, np.nan), counts[0] > 0
    if some.any():
        log_s = sums[0][:, some] / counts[0][some]
        model = label_model(_answers(log_s, label[some]))
        for row, labels in enumerate(asked):
            answers = _answers(log_s, labels[some])
            found[row, some] = np.subtract(*answers.likelihoods(model, answers.log_odds(model.sharpness)[0]))
    return found


def _measured(logits: Arrays, label: np.ndarray, member: np.ndarray, part: np.ndarray) -> tuple[PerExample, np.ndarray]:
    """The measure, and its values with each part of the models left out."""
    sums, counts = _sums_by_part(logits, member == 0, part)
    total, judged = sums.sum(0), counts.sum(0)
    values = _posterior(total, judged, label)
    each = [_posterior(total - s, judged - c, label) for s, c in zip(sums, counts, strict=True)]
    replicates = np.array(each).reshape(len(sums), len(label))
    result = per_example(
        values,
        _interval(values, replicates),
        [("every model was trained on it", judged == 0)],
        counts={"nonmembers": judged},
        models=len(member),
        note="taken as wrong where above one half, if a wrong label is as bad as a missed one",
    )
    return result, replicates


class _Answers(NamedTuple):
    """Mean log-probabilities taken apart: of the given label, and of the others below the largest of them."""

    own: Float[np.ndarray, " example"]
    largest_other: Float[np.ndarray, " example"]
    below: Float[np.ndarray, "other example"]

    def log_odds(self, sharpness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the label in the sharpened answers, with their first and second derivative by the sharpness."""
        weights = np.exp(sharpness * self.below)
        total = weights.sum(0)
        weights *= self.below
        mean = weights.sum(0) / total
        weights *= self.below
        square = weights.sum(0) / total
        lead = self.own - self.largest_other
        return sharpness * lead - np.log(total), lead - mean, mean**2 - square

    def likelihoods(self, model: LabelModel, log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each given label as a wrong one and as a right one."""
        wrong = np.log(model.noise_rate) + log_expit(-log_odds) - np.log(len(self.below))
        return wrong, np.log1p(-model.noise_rate) + log_expit(log_odds)

    def log_likelihood(self, model: LabelModel) -> tuple[float, np.ndarray, np.ndarray]:
        """Mean over the labels, with gradient and Hessian by the logarithms of noise rate and sharpness."""
        odds, slope, bend = self.log_odds(model.sharpness)
        bend = model.sharpness * slope + model.sharpness**2 * bend
        slope = model.sharpness * slope
        wrong, right = self.likelihoods(model, odds)
        share, certainty, kept = expit(wrong - right), expit(odds), 1 - model.noise_rate
        unsure = share * (1 - share)
        by_odds = 1 - share - certainty
        by_rate = share - (1 - share) * model.noise_rate / kept
        twice = (
            (unsure - (1 - share) * model.noise_rate).mean() / kept**2,
            -(unsure * slope).mean() / kept,
            ((unsure - certainty * (1 - certainty)) * slope**2 + by_odds * bend).mean(),
        )
        gradient = np.array([by_rate.mean(), (by_odds * slope).mean()])
        return float(np.logaddexp(wrong, right).mean()), gradient, np.array([twice[:2], twice[1:]])


def _answers(log_s: np.ndarray, label: np.ndarray) -> _Answers:
    """Of `[class, example]`."""
    every, others = np.arange(len(label)), np.arange(len(log_s) - 1)[:, None]
    below = log_s[others + (others >= label), every]
    largest = below.max(0)
    below -= largest
    return _Answers(log_s[label, every], largest, below)


def label_model(answers: _Answers, start: LabelModel = _START) -> LabelModel:
    """The noise rate and the sharpness under which the given labels are likeliest, by Newton's method.

    Each is searched as the log-odds of where its logarithm stands between the bounds.
    """
    low, high = np.log(_BOUNDS).T

    def model_at(x: np.ndarray) -> LabelModel:
        return LabelModel(*np.exp(low + (high - low) * expit(x)).tolist())

    @lru_cache(maxsize=2)  # value, gradient and Hessian are asked for one by one
    def unlikelihood(*x: float) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = answers.log_likelihood(model_at(np.array(x)))
        place = expit(np.array(x))
        slope = (high - low) * place * (1 - place)
        return (
            -value,
            -gradient * slope,
            -hessian * np.outer(slope, slope) - np.diag(gradient * slope * (1 - 2 * place)),
        )

    place = (np.log(start) - low) / (high - low)
    found = minimize(
        lambda x: unlikelihood(*x)[0],
        np.clip(logit(place), -_EDGE, _EDGE),
        jac=lambda x: unlikelihood(*x)[1],
        hess=lambda x: unlikelihood(*x)[2],
        method="trust-exact",
        options={"gtol": 1e-11},
    )
    return model_at(found.x)


def _sums_by_part(logits: Arrays, outside: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[part, class, example]`: log-probabilities summed over the models not trained on it; and how many they are."""
    number, (_, examples, classes) = int(part.max(initial=-1)) + 1, shape_of(logits)
    sums = np.zeros((number, classes, examples))
    counts = np.zeros((number, examples), np.int64)
    for answers, chosen, belongs in zip(logits, outside, part, strict=True):
        rows = np.flatnonzero(chosen)
        log_p = answers[rows].T.astype(np.float64, order="C")
        largest = log_p.max(0)
        log_p -= np.where(np.isfinite(largest), largest, 0.0)
        log_p -= np.log(np.exp(log_p).sum(0))
        sums[belongs][:, rows] += log_p
        counts[belongs] += chosen
    return sums, counts


def _posterior(total: np.ndarray, judged: np.ndarray, label: np.ndarray) -> np.ndarray:
    values = np.full(len(label), np.nan)
    some = judged > 0
    if some.any():
        answers = _answers(total[:, some] / judged[some], label[some])
        model = label_model(answers)
        values[some] = expit(np.subtract(*answers.likelihoods(model, answers.log_odds(model.sharpness)[0])))
    return values


def _interval(values: np.ndarray, replicates: np.ndarray) -> Interval:
    if len(replicates) < 3:
        unknown = np.full(values.shape, np.nan)
        return Interval(unknown, unknown, unknown)
    reach = stdtrit(len(replicates) - 1.0, UPPER) * spread(_log_odds(replicates))
    middle = _log_odds(values)
    return Interval(spread(replicates), expit(middle - reach), expit(middle + reach))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    """Log-odds, kept finite."""
    least = np.finfo(np.float64).tiny
    clipped: np.ndarray = logit(np.clip(probability, least, 1 - np.finfo(np.float64).eps))
    return clipped
