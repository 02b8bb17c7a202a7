"""Label error probability: how likely an example's given label is wrong, by models that never saw it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.optimize import minimize, root
from scipy.special import expit, log_softmax, logit, stdtrit

from byrote.measures._assemble import per_example
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
)
def label_error_probability(
    logits: Float[np.ndarray, "model example class"],
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
    part = parts(pair, groups=GROUPS)
    sums, counts = _sums_by_part(logits, member == 0, part)
    total, judged = sums.sum(0), counts.sum(0)
    values, model = _posterior(total, judged, label, _START)
    replicates = [_posterior(total - sums[p], judged - counts[p], label, model)[0] for p in range(len(sums))]
    return per_example(
        values,
        _interval(values, np.array(replicates)),
        [("every model was trained on it", judged == 0)],
        counts={"nonmembers": judged},
        models=len(member),
        note="taken as wrong where above one half, if a wrong label is as bad as a missed one",
    )


class _Answers(NamedTuple):
    """Mean log-probabilities taken apart: of the given label, and of the others below the largest of them."""

    own: Float[np.ndarray, " example"]
    largest_other: Float[np.ndarray, " example"]
    below: Float[np.ndarray, "example other"]

    def lead(self, sharpness: float) -> Float[np.ndarray, " example"]:
        """How far the label's log-probability is above the mean of the others, weighted by their sharpened share."""
        weights = np.exp(sharpness * self.below)
        return np.asarray(self.own - self.largest_other - (weights * self.below).sum(-1) / weights.sum(-1))

    def certainty(self, sharpness: float) -> Float[np.ndarray, " example"]:
        """Sharpened probability of the label."""
        others = np.log(np.exp(sharpness * self.below).sum(-1))
        return np.asarray(expit(sharpness * (self.own - self.largest_other) - others))

    def likelihoods(self, model: LabelModel) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each given label as a wrong one and as a right one."""
        own = model.sharpness * self.own
        others = model.sharpness * self.largest_other + np.log(np.exp(model.sharpness * self.below).sum(-1))
        every = np.logaddexp(own, others)
        wrong = np.log(model.noise_rate) + others - every - np.log(self.below.shape[-1])
        return wrong, np.log1p(-model.noise_rate) + own - every


def _answers(log_s: np.ndarray, label: np.ndarray) -> _Answers:
    is_label = np.arange(log_s.shape[-1]) == label[:, None]
    others = log_s[~is_label].reshape(len(label), -1)
    largest = others.max(-1)
    return _Answers(log_s[is_label], largest, others - largest[:, None])


def label_model(answers: _Answers, start: LabelModel = _START) -> LabelModel:
    """The noise rate and the sharpness under which the given labels are likeliest."""

    def unlikelihood(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        model = LabelModel(*np.exp(logarithms))
        wrong, right = answers.likelihoods(model)
        rate, share = model.noise_rate, expit(wrong - right)
        by_rate = share - (1 - share) * rate / (1 - rate)
        by_sharpness = (
            model.sharpness * answers.lead(model.sharpness) * (1 - share - answers.certainty(model.sharpness))
        )
        return -float(np.logaddexp(wrong, right).mean()), -np.array([by_rate.mean(), by_sharpness.mean()])

    bounds = np.log(_BOUNDS)

    def inside(logarithms: np.ndarray) -> bool:
        return bool(((logarithms > bounds[:, 0]) & (logarithms < bounds[:, 1])).all())

    best = minimize(unlikelihood, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds).x
    if inside(best):  # polished, so that no rounding of a sum is seen
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # a try beyond the bounds is no rate
            polished = root(lambda logarithms: unlikelihood(logarithms)[1], best, tol=1e-13).x
        best = polished if inside(polished) else best
    return LabelModel(*np.exp(best).tolist())


def _sums_by_part(logits: np.ndarray, outside: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[part, example, class]`: log-probabilities summed over the models not trained on it; and how many they are."""
    number = int(part.max(initial=-1)) + 1
    sums = np.zeros((number, *logits.shape[1:]))
    counts = np.zeros((number, logits.shape[1]), np.int64)
    for answers, chosen, belongs in zip(logits, outside, part, strict=True):
        sums[belongs, chosen] += log_softmax(answers[chosen].astype(np.float64), axis=-1)
        counts[belongs] += chosen
    return sums, counts


def _posterior(
    total: np.ndarray, judged: np.ndarray, label: np.ndarray, start: LabelModel
) -> tuple[np.ndarray, LabelModel]:
    values = np.full(len(label), np.nan)
    some = judged > 0
    if not some.any():
        return values, start
    answers = _answers(total[some] / judged[some, None], label[some])
    model = label_model(answers, start)
    values[some] = expit(np.subtract(*answers.likelihoods(model)))
    return values, model


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
