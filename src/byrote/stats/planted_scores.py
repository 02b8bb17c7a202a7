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


def curve(others: Float[np.ndarray, " other"], planted: Float[np.ndarray, " planted"]) -> Curve:
    """The curve under which it is likeliest which scores are planted and which are of the others.

    Formula:
        P(planted | z) = c p(z) / (1 + c p(z)), c = planted / (rate * others), p(z) = expit(offset + slope z)
        with offset, slope > 0 and rate of the greatest likelihood: planted cases have the scores of the cases that are
        among the others

    Source: Ward et al. 2009, Biometrics 65(2), 554-563, eq. 4, with the rate estimated as in Lancaster & Imbens 1996.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> others = np.concatenate([rng.normal(-4, 2, 900), rng.normal(4, 2, 100)])
        >>> found = curve(others, rng.normal(4, 2, 1_000))
        >>> round(found.rate, 1), round(float(found.probability(others).sum()), -2)
        (0.1, 100.0)
    """
    z = np.concatenate([_some(others), _some(planted)])
    case = np.arange(len(z)) >= len(_some(others))
    middle, spread = float(np.median(z)), float(z.std()) or 1.0
    z = (z - middle) / spread
    count = max(np.count_nonzero(~case), 1)
    prior = np.log(max(np.count_nonzero(case), 1) / count)

    def unlikelihood(x: np.ndarray) -> tuple[float, np.ndarray]:
        slope, share = np.exp(x[1]), expit(x[2])
        score = x[0] + slope * z
        odds = prior - np.log(LARGEST_RATE * share) - np.logaddexp(0, -score)
        pull, falling = expit(odds) - case, expit(-score)
        gradient = ((pull * falling).mean(), (pull * falling * slope * z).mean(), -pull.mean() * (1 - share))
        return float(np.logaddexp(0, np.where(case, -odds, odds)).mean()), np.array(gradient)

    least = float(logit(1 / (2 * LARGEST_RATE * (count + 1))))
    bounds = ((-50.0, 50.0), (-5.0, 5.0), (least, 30.0))
    starts = [(offset, 0.0, max(rate, least)) for offset in (-1.0, 1.0) for rate in (-4.0, -2.0)]
    found = min((minimize(unlikelihood, x, jac=True, method="L-BFGS-B", bounds=bounds) for x in starts), key=_value)
    slope = float(np.exp(found.x[1])) / spread
    return Curve(float(found.x[0]) - slope * middle, slope, LARGEST_RATE * float(expit(found.x[2])))


def _value(found: object) -> float:
    return float(getattr(found, "fun", np.inf))


def _bounded(scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))


def _some(scores: Float[np.ndarray, " score"]) -> Float[np.ndarray, " some"]:
    known = scores[np.isfinite(scores)]
    return _bounded(known[:: -(-len(known) // MOST) or 1])
