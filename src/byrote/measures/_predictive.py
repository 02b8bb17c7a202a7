"""What an attacker expects a new model to say of an example, from the models at hand: three forms of spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, log_ndtr, polygamma, psi, stdtr

from byrote.stats.moments import Moments

#: Degrees from which a Student-t is a normal, as far as float64 can tell.
MANY = 1e8
TINIEST = 5e-324


@dataclass(frozen=True)
class Predictive:
    """A Student-t distribution for each example; normal where the degrees are infinite, NaN where unknown."""

    mean: Float[np.ndarray, " example"]
    variance: Float[np.ndarray, " example"]
    degrees: Float[np.ndarray, " example"]

    def log_density(self, x: Float[np.ndarray, " example"]) -> Float[np.ndarray, " example"]:
        """Logarithm of the density at x."""
        square = (x - self.mean) ** 2 / self.variance
        if np.isinf(self.degrees).all():
            normal: np.ndarray = -(square + np.log(2 * np.pi * self.variance)) / 2
            return normal
        half = np.minimum(self.degrees, MANY) / 2
        constant = _by_value(lambda h: gammaln(h + 0.5) - gammaln(h) - np.log(2 * np.pi * h) / 2, half)
        density: np.ndarray = constant - np.log(self.variance) / 2 - (half + 0.5) * np.log1p(square / (2 * half))
        return density

    def log_below(self, x: Float[np.ndarray, " example"]) -> Float[np.ndarray, " example"]:
        """Logarithm of the probability of a value below x, exact at both ends."""
        z = (x - self.mean) / np.sqrt(self.variance)
        if np.isinf(self.degrees).all():
            normal: np.ndarray = log_ndtr(z)
            return normal
        tail = stdtr(np.minimum(self.degrees, MANY), -np.abs(z))
        below: np.ndarray = np.where(z > 0, np.log1p(-tail), np.log(np.maximum(tail, TINIEST)))
        return below


def _by_value(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """A costly function of an array that holds few different values."""
    if not len(x):
        return x
    if (x == x[0]).all():
        return np.broadcast_to(function(x[:1]), x.shape)
    values, where = np.unique(x, return_inverse=True)
    return np.asarray(function(values)[where])


Form = Callable[[Moments, np.ndarray], Predictive]


def _known_from(moments: Moments, least: int, values: np.ndarray) -> np.ndarray:
    return np.where(moments.count >= least, values, np.nan)


def pooled(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Normal around each example's mean, with one variance for all examples: squares over degrees, summed."""
    degrees = np.maximum(moments.count - 1, 0)[np.isfinite(moments.squares)].sum()
    variance = np.nansum(moments.squares) / degrees if degrees else np.nan
    return Predictive(moments.mean, _known_from(moments, 1, np.maximum(variance, floor)), np.full(len(floor), np.inf))


def per_example(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Normal with each example's own mean and variance; takes 2 models."""
    variance = moments.squares / np.maximum(moments.count - 1, 1)
    return Predictive(moments.mean, _known_from(moments, 2, np.maximum(variance, floor)), np.full(len(floor), np.inf))


def bayes(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Student-t: each example's variance drawn towards what is usual, by as much as variances agree.

    Formula:
        sigma_i^2 ~ nu0 s0^2 / chi^2(nu0), mean_i flat: nu = nu0 + n - 1,
        variance = (nu0 s0^2 + squares) / nu * (1 + 1 / n), with nu0 and s0 as `usual_variance` gives them
    """
    prior, usual = usual_variance(moments, floor)
    own = np.maximum(moments.count - 1, 0)
    if np.isinf(prior):
        degrees, variance = np.full(len(own), np.inf), np.full(len(own), usual)
    else:
        degrees = prior + own
        variance = (prior * usual + moments.squares) / degrees
    wider = 1 + 1 / np.maximum(moments.count, 1)
    return Predictive(moments.mean, _known_from(moments, 1, np.maximum(variance, floor) * wider), degrees)


def usual_variance(moments: Moments, floor: Float[np.ndarray, " example"]) -> tuple[float, float]:
    """Degrees nu0 and size s0^2 of the scaled inverse chi-square that the examples' variances come from.

    Matches mean and variance of log sample variances, after Smyth (2004), Stat. Appl. Genet. Mol. Biol. 3(1);
    nu0 is infinite where they scatter no more than equal variances would, and s0^2 NaN without two examples of 2
    models.
    """
    own = moments.count - 1
    usable = (own > 0) & np.isfinite(moments.squares)
    if usable.sum() < 2:
        return np.inf, np.nan
    half = own[usable] / 2
    sample = np.maximum(moments.squares[usable] / own[usable], floor[usable])
    centred = np.log(sample) - _by_value(lambda h: psi(h) - np.log(h), half)
    beyond_chance = float(centred.var(ddof=1) - _by_value(lambda h: polygamma(1, h), half).mean())
    if beyond_chance <= 0:
        return np.inf, float((sample * half).sum() / half.sum())
    half_prior = _inverse_trigamma(beyond_chance)
    return 2 * half_prior, float(np.exp(centred.mean() + psi(half_prior) - np.log(half_prior)))


def _inverse_trigamma(value: float) -> float:
    """Where trigamma is this value, by Newton's method on 1 / trigamma, which is convex."""
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return x


FORMS: dict[str, Form] = {"pooled": pooled, "per_example": per_example, "bayes": bayes}
