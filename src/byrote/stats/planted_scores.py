"""From scores to probabilities: what planted cases and all others say of them, where some others are cases, too."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit, logit

#: Scores are compared within these bounds; beyond them they say no more.
FARTHEST: Final = 30.0
#: Of more scores as many as these, evenly spread, tell the curve.
MOST: Final = 20_000
#: At most this share of the others are cases.
LARGEST_RATE: Final = 0.5


class Curve(NamedTuple):
    """The probability that one of the others is a case: `expit(offset + slope * score)`; `rate` of them are cases."""

    offset: float
    slope: float
    rate: float

    def probability(self, scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
        """Of each score."""
        return np.asarray(expit(self.offset + self.slope * _bounded(scores)))


def curve(
    others: Float[np.ndarray, " other"], planted: Float[np.ndarray, " planted"], ways: float | int = np.inf
) -> Curve:
    """The curve under which it is likeliest which scores are planted and which are of the others.

    Formula:
        P(planted | z) / P(other | z) = planted / others * ((1 - s) p / rate + s (1 - p) / (1 - rate)), s = rate / ways
        p = expit(offset + slope z), with offset, slope > 0 and rate of the greatest likelihood
        Planted cases have the scores of the cases that are among the others. What was planted on such a case is none
        itself in one of `ways`: another label in place of a wrong one can be the right one.

    Undefined:
        nan where no score is known.

    Source: Ward et al. 2009, Biometrics 65(2), 554-563, eq. 4, with the rate estimated as in Lancaster & Imbens 1996.
    Differs:
        The second summand; the source's cases are sure.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> others = np.concatenate([rng.normal(-4, 2, 900), rng.normal(4, 2, 100)])
        >>> found = curve(others, rng.normal(4, 2, 1_000))
        >>> round(found.rate, 1), round(float(found.probability(others).sum()), -2)
        (0.1, 100.0)
    """
    given, drawn = _some(others), _some(planted)
    if not len(given) or not len(drawn):
        return Curve(np.nan, np.nan, np.nan)
    z = np.concatenate([given, drawn])
    case = np.arange(len(z)) >= len(given)
    middle, spread = float(np.median(z)), float(z.std()) or 1.0
    z = (z - middle) / spread
    prior = len(drawn) / len(given)

    def unlikelihood(x: np.ndarray) -> tuple[float, np.ndarray]:
        slope, rate = np.exp(x[1]), LARGEST_RATE * expit(x[2])
        p, q = expit(x[0] + slope * z), expit(-x[0] - slope * z)
        of_cases, of_none = 1 / rate - 1 / ways, rate / (1 - rate) / ways
        ratio = np.maximum(of_cases * p + of_none * q, np.finfo(np.float64).tiny)
        odds = np.log(prior) + np.log(ratio)
        pull = (expit(odds) - case) / ratio
        by_score = pull * (of_cases - of_none) * p * q
        by_rate = pull * (q / (1 - rate) ** 2 / ways - p / rate**2) * rate * expit(-x[2])
        gradient = np.array([by_score.mean(), (by_score * slope * z).mean(), by_rate.mean()])
        return float(np.logaddexp(0, np.where(case, -odds, odds)).mean()), gradient

    least = float(logit(1 / (2 * LARGEST_RATE * (len(given) + 1))))
    bounds = ((-50.0, 50.0), (-5.0, 5.0), (least, 30.0))
    starts = [(offset, 0.0, max(rate, least)) for offset in (-1.0, 1.0) for rate in (-4.0, -2.0)]
    tried = [minimize(unlikelihood, x, jac=True, method="L-BFGS-B", bounds=bounds) for x in starts]
    found = min(tried, key=lambda one: float(one.fun))
    slope = float(np.exp(found.x[1])) / spread
    return Curve(float(found.x[0]) - slope * middle, slope, LARGEST_RATE * float(expit(found.x[2])))


def _bounded(scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))


def _some(scores: Float[np.ndarray, " score"]) -> Float[np.ndarray, " some"]:
    known = scores[np.isfinite(scores)]
    return _bounded(known[:: -(-len(known) // MOST) or 1])
