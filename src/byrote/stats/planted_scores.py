"""From scores to probabilities: what planted cases and all others say of them, where some others are cases, too."""

from __future__ import annotations

from collections.abc import Sequence
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
#: Curves that are fitted again see scores in so many bins.
BINS: Final = 400
#: Of curves fitted to examples drawn anew, so many tell how sure the first one is.
DRAWS: Final = 60
#: The search begins at these offsets and log-odds of half the rate.
_STARTS: Final = ((-1.0, -4.0), (1.0, -2.0), (-1.0, -2.0), (1.0, -4.0))


class Curve(NamedTuple):
    """The probability that one of the others is a case: `expit(offset + slope * score)`; `rate` of them are cases."""

    offset: float
    slope: float
    rate: float

    def probability(self, scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
        """Of each score."""
        return np.asarray(expit(self.log_odds(scores)))

    def log_odds(self, scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
        """The same as log-odds."""
        return np.asarray(self.offset + self.slope * _bounded(scores))


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
    case = np.arange(len(given) + len(drawn)) >= len(given)
    return _likeliest(np.concatenate([given, drawn]), ~case + 0.0, case + 0.0, ways, _STARTS)


def curves(
    others: Float[np.ndarray, " example"],
    planted: Float[np.ndarray, " example"],
    ways: float | int = np.inf,
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> list[Curve]:
    """Curves of as many examples, drawn with replacement, whose scatter is the error of `curve`.

    An example brings its own score and that of what is planted on it. Scores are taken together in 400 bins of equally
    many.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> others = np.concatenate([rng.normal(-4, 2, 900), rng.normal(4, 2, 100)])
        >>> found = curves(others, rng.normal(4, 2, 1_000), rng=rng, draws=20)
        >>> 0.005 < np.std([one.rate for one in found]) < 0.02
        np.True_
    """
    known = np.isfinite(others) & np.isfinite(planted)
    scores = _bounded(np.stack([others[known], planted[known]]))
    size = scores.shape[1]
    if not size:
        return [Curve(np.nan, np.nan, np.nan)] * draws
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, scores)
    inside = np.bincount(place.ravel(), minlength=len(edges) + 1)
    middle = np.bincount(place.ravel(), scores.ravel(), len(inside)) / np.maximum(inside, 1)
    found = []
    for _ in range(draws):
        times = np.bincount(rng.integers(size, size=size), minlength=size).astype(float)
        given, drawn = (np.bincount(one, times, len(inside)) for one in place)
        found.append(_likeliest(middle, given, drawn, ways, _STARTS[-2:]))
    return found


def _likeliest(
    scores: Float[np.ndarray, " score"],
    given: Float[np.ndarray, " score"],
    drawn: Float[np.ndarray, " score"],
    ways: float | int,
    starts: Sequence[tuple[float, float]],
) -> Curve:
    """The curve of scores that so many of the others and so many of the planted have, searched from several starts."""
    some = given + drawn > 0
    z, given, drawn = scores[some], given[some], drawn[some]
    weight, count = given + drawn, float(given.sum())
    total = float(weight.sum())
    spread = float(np.sqrt(np.cov(z, aweights=weight, ddof=0))) if len(z) > 1 else 0.0
    middle, spread = float(np.median(np.repeat(z, weight.astype(int)))), spread or 1.0
    z = (z - middle) / spread
    prior = float(drawn.sum()) / count

    def unlikelihood(x: np.ndarray) -> tuple[float, np.ndarray]:
        slope, rate = np.exp(x[1]), LARGEST_RATE * expit(x[2])
        p, q = expit(x[0] + slope * z), expit(-x[0] - slope * z)
        of_cases, of_none = 1 / rate - 1 / ways, rate / (1 - rate) / ways
        ratio = np.maximum(of_cases * p + of_none * q, np.finfo(np.float64).tiny)
        odds = np.log(prior) + np.log(ratio)
        pull = (weight * expit(odds) - drawn) / ratio
        by_score = pull * (of_cases - of_none) * p * q
        by_rate = pull * (q / (1 - rate) ** 2 / ways - p / rate**2) * rate * expit(-x[2])
        gradient = np.array([by_score.sum(), (by_score * slope * z).sum(), by_rate.sum()]) / total
        return float(given @ np.logaddexp(0, odds) + drawn @ np.logaddexp(0, -odds)) / total, gradient

    least = float(logit(1 / (2 * LARGEST_RATE * (count + 1))))
    bounds = ((-50.0, 50.0), (-5.0, 5.0), (least, 30.0))
    begun = [(offset, 0.0, max(rate, least)) for offset, rate in starts]
    tried = [minimize(unlikelihood, x, jac=True, method="L-BFGS-B", bounds=bounds) for x in begun]
    found = min(tried, key=lambda one: float(one.fun))
    slope = float(np.exp(found.x[1])) / spread
    return Curve(float(found.x[0]) - slope * middle, slope, LARGEST_RATE * float(expit(found.x[2])))


def _bounded(scores: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))


def _some(scores: Float[np.ndarray, " score"]) -> Float[np.ndarray, " some"]:
    known = scores[np.isfinite(scores)]
    return _bounded(known[:: -(-len(known) // MOST) or 1])
