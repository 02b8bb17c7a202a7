"""What an attacker expects a new model to say of an example, from the models at hand: three forms of spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, log_ndtr, polygamma, psi, stdtr

from byrote.stats.moments import Moments

#: Degrees from which a Student-t is a normal, as far as float64 can tell.
MANY = 1e8
#: Up to half so many degrees log(1 + x) is as good as log1p(x), to 12 digits.
MANY_FOR_LOG = 1e3
TINIEST = 5e-324


@dataclass(frozen=True)
class Predictive:
    """A Student-t distribution for each example; normal where the degrees are infinite, NaN where unknown.

    Rows of several targets are either normal or not, all examples of a row alike. Degrees that all examples of every
    row share are given once a row.
    """

    mean: Float[np.ndarray, "*target example"]
    variance: Float[np.ndarray, "*target example"]
    degrees: Float[np.ndarray, "*target #example"]

    @cached_property
    def _half(self) -> np.ndarray:
        return np.asarray(np.minimum(self.degrees, MANY) / 2)

    @cached_property
    def _peak(self) -> np.ndarray:
        """Logarithm of the density at the mean."""
        return np.asarray(_by_value(_log_peak, self.degrees) - np.log(self.variance) / 2)

    @cached_property
    def _scale(self) -> np.ndarray:
        return np.asarray(self.variance * np.where(np.isinf(self.degrees[..., :1]), 2.0, 2 * self._half))

    def log_density(self, x: Float[np.ndarray, "*target example"]) -> Float[np.ndarray, "*target example"]:
        """Logarithm of the density at x."""
        square = x - self.mean
        square *= square
        square /= self._scale
        normal = np.isinf(self.degrees[..., :1])
        if normal.all():
            return np.asarray(self._peak - square)
        # log1p takes three times as long, and tells more digits only where degrees are many
        falls = np.log1p(square) if (self._half > MANY_FOR_LOG).any() else np.log(1 + square)
        falls *= self._half + 0.5
        heavy = self._peak - falls
        return np.asarray(np.where(normal, self._peak - square, heavy) if normal.any() else heavy)

    def log_below(self, x: Float[np.ndarray, "*target example"]) -> Float[np.ndarray, "*target example"]:
        """Logarithm of the probability of a value below x, exact at both ends."""
        z = (x - self.mean) / np.sqrt(self.variance)
        normal = np.isinf(self.degrees[..., :1])
        if normal.all():
            return np.asarray(log_ndtr(z))
        tail = stdtr(2 * self._half, -np.abs(z))
        below = np.where(z > 0, np.log1p(-tail), np.log(np.maximum(tail, TINIEST)))
        return np.asarray(np.where(normal, log_ndtr(z), below) if normal.any() else below)


def _log_peak(degrees: np.ndarray) -> np.ndarray:
    """Logarithm of the density of a standard Student-t at 0; a normal's where the degrees are infinite."""
    half = np.minimum(degrees, MANY) / 2
    heavy = gammaln(half + 0.5) - gammaln(half) - np.log(2 * np.pi * half) / 2
    return np.asarray(np.where(np.isinf(degrees), -np.log(2 * np.pi) / 2, heavy))


def _by_value(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """A costly function of an array that holds few different values, most often one per row."""
    if not x.size:
        return x
    if (x == x[..., :1]).all():
        return np.broadcast_to(function(x[..., :1]), x.shape)
    values, where = np.unique(x, return_inverse=True)
    return np.asarray(function(values)[where].reshape(x.shape))


Form = Callable[[Moments, np.ndarray], Predictive]


def _known_from(moments: Moments, least: int, values: np.ndarray) -> np.ndarray:
    known = moments.count >= least
    return values if known.all() else np.where(known, values, np.nan)


def _once_a_row(x: np.ndarray) -> np.ndarray:
    """One column of what is the same in all columns of each row."""
    return x[..., :1] if x.size and (x == x[..., :1]).all() else x


def _normal(moments: Moments, least: int, variance: np.ndarray) -> Predictive:
    known = _known_from(moments, least, variance)
    return Predictive(moments.mean, known, np.full(known.shape, np.inf))


def pooled(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Normal around each example's mean, with one variance for all examples: squares over degrees, summed."""
    own = np.where(np.isfinite(moments.squares), np.maximum(moments.count - 1, 0), 0)
    degrees = own.sum(-1, keepdims=True)
    variance = np.nansum(moments.squares, -1, keepdims=True) / np.where(degrees, degrees, np.nan)
    return _normal(moments, 1, np.maximum(variance, floor))


def per_example(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Normal with each example's own mean and variance; takes 2 models."""
    return _normal(moments, 2, np.maximum(moments.squares / np.maximum(moments.count - 1, 1), floor))


def bayes(moments: Moments, floor: Float[np.ndarray, " example"]) -> Predictive:
    """Student-t: each example's variance drawn towards what is usual, by as much as variances agree.

    Formula:
        sigma_i^2 ~ nu0 s0^2 / chi^2(nu0), mean_i flat: nu = nu0 + n - 1,
        variance = (nu0 s0^2 + squares) / nu * (1 + 1 / n), with nu0 and s0 as `usual_variance` gives them
    """
    prior, usual = (of[..., None] for of in usual_variance(moments, floor))
    normal = np.isinf(prior)
    count = _once_a_row(moments.count)
    degrees = prior + np.maximum(count - 1, 0)
    shrunken = (np.where(normal, 0.0, prior) * usual + moments.squares) / degrees
    variance = np.where(normal, usual, shrunken) if normal.any() else shrunken
    wider = 1 + 1 / np.maximum(count, 1)
    return Predictive(moments.mean, _known_from(moments, 1, np.maximum(variance, floor) * wider), degrees)


def usual_variance(
    moments: Moments, floor: Float[np.ndarray, " example"]
) -> tuple[Float[np.ndarray, "*target"], Float[np.ndarray, "*target"]]:
    """Degrees nu0 and size s0^2 of the scaled inverse chi-square that the examples' variances come from.

    Matches mean and variance of log sample variances, after Smyth (2004), Stat. Appl. Genet. Mol. Biol. 3(1);
    nu0 is infinite where they scatter no more than equal variances would, and s0^2 NaN without two examples of 2
    models.
    """
    own, shape = _once_a_row(moments.count - 1), moments.squares.shape
    usable = (own > 0) & np.isfinite(moments.squares)
    number, some = usable.sum(-1), True if usable.all() else usable
    half = own / 2 if some is True else np.where(usable, own, 1) / 2
    sample = np.maximum(moments.squares / (2 * half), floor)
    log_size = np.log(sample)
    log_size -= _by_value(lambda h: psi(h) - np.log(h), half)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = log_size.sum(-1, where=some) / number
        log_size -= mean[..., None]
        scatter = np.square(log_size, out=log_size).sum(-1, where=some) / (number - 1)
        chance = _by_value(lambda h: polygamma(1, h), half)
        by_chance = np.broadcast_to(chance, shape).sum(-1, where=some) / number
        equal = (sample * half).sum(-1, where=some) / np.broadcast_to(half, shape).sum(-1, where=some)
    known, wider = number >= 2, (number >= 2) & (scatter > by_chance)
    half_prior = _inverse_trigamma(np.where(wider, scatter - by_chance, 1.0))
    varied = np.exp(np.where(wider, mean, 0.0) + psi(half_prior) - np.log(half_prior))
    usual = np.where(wider, varied, np.where(known, equal, np.nan))
    return np.asarray(np.where(wider, 2 * half_prior, np.inf)), np.asarray(usual)


def _inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """Where trigamma is each value, by Newton's method on 1 / trigamma, which is convex."""
    tiny = value < 1e-6
    x = 0.5 + 1 / value
    moving = ~tiny
    for _ in range(50):
        trigamma = polygamma(1, x)
        step = np.where(moving, trigamma * (1 - trigamma / value) / polygamma(2, x), 0.0)
        x = x + step
        moving = moving & (-step / x >= 1e-10)
        if not moving.any():
            break
    return np.where(tiny, 1 / value, x)


FORMS: dict[str, Form] = {"pooled": pooled, "per_example": per_example, "bayes": bayes}
