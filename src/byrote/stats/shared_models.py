"""Means over pairs of models, such as how alike two of them are: two such figures share a model, and are no repetition.

Formula:
    of P units (pairs of models, or models without a mate) s_pq is the figure of two, s_p the mean over q, U that over
    p; without unit p the mean is (P U - 2 s_p) / (P - 2), and J the variance of the jackknife over units. What two
    units alone have in common it counts twice: with S the mean square of s_pq - a_p - a_q, a by least squares, of
    f = P (P - 3) / 2 degrees of freedom, the variance is J - 2 S / ((P - 1) (P - 2)), of Satterthwaite's degrees of
    freedom; or 2 S / (P (P - 1)), of f, unless J is above what 2 of 3 such J are if units do not differ
Source: Arvesen 1969, Ann. Math. Statist. 40(6), 2076-2100, for the jackknife of such means.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.special import fdtri, stdtrit

from byrote.results import Scalar
from byrote.stats.intervals import UPPER, Bounds
from byrote.stats.jackknife import from_replicates, units

#: With so many units or more, what only two of them have in common can be estimated.
FEWEST_UNITS: Final = 6
#: Units count as different if the spread of their means is above this quantile of chance.
DIFFER: Final = 2 / 3


def between(
    likeness: Float[np.ndarray, " model"],
    pair: Int[np.ndarray, " model"],
    *,
    scatter: Float[np.ndarray, " model"] | None = None,
    bounds: Bounds = (-1.0, 1.0),
) -> Scalar:
    """The mean over models of their mean figure with the models of other pairs, and its error.

    With `scatter`, the standard deviation of the figures of a model's unit over the other units, what two units alone
    have in common counts once. Without it, or with fewer than 6 units, the error is the jackknife's, which is too large
    where units do not differ.

    Undefined:
        nan where a figure is; the error with fewer than 4 units, of which 3 are left.

    Example:
        >>> between(np.array([0.5, 0.6, 0.7, 0.6]), np.full(4, -1)).value
        0.6
    """
    unit = units(pair)
    count = int(unit.max(initial=-1)) + 1
    of_unit = np.array([likeness[unit == one].mean() for one in range(count)])
    value = float(of_unit.mean()) if count else float("nan")
    left = (count * value - 2 * of_unit) / (count - 2) if count > 3 else np.empty(0)
    found = from_replicates(value, np.asarray(left), models=len(likeness), examples=0, bounds=bounds)
    if scatter is None or count < FEWEST_UNITS:
        return found
    return _once(found, of_unit, np.array([scatter[unit == one].mean() for one in range(count)]), bounds)


def _once(
    found: Scalar, mean: Float[np.ndarray, " unit"], scatter: Float[np.ndarray, " unit"], bounds: Bounds
) -> Scalar:
    """The figure with the error in which what two units have in common counts once."""
    count, free = len(mean), len(mean) * (len(mean) - 3) / 2
    apart = mean - found.value
    total = (count - 1) / 2 * float((scatter**2 + apart**2).sum())
    alone = max(total - (count - 1) ** 2 / (count - 2) * float((apart**2).sum()), 0.0) / free
    least, twice = 2 * alone / (count * (count - 1)), 2 * alone / ((count - 1) * (count - 2))
    variance, degrees = least, free
    if found.stderr**2 > (twice + least) * fdtri(count - 1, free, DIFFER):
        variance = found.stderr**2 - twice
        degrees = variance**2 / (found.stderr**4 / (count - 1) + twice**2 / free)
    if not variance > 1e-24 * found.value**2:
        return found
    reach = float(stdtrit(degrees, UPPER)) * variance**0.5
    low, high = np.clip([found.value - reach, found.value + reach], *bounds).tolist()
    return replace(found, stderr=float(variance**0.5), low=low, high=high, note="")


def between_all(likeness: Float[np.ndarray, "model model"], pair: Int[np.ndarray, " model"]) -> Scalar:
    """`between` with the figures of all pairs of models at hand.

    Example:
        >>> own = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
        >>> between_all(own[:, None] + own, np.full(6, -1))
        Scalar(0.4 ± 0.073, 95 % [0.2123, 0.5877])
    """
    unit = units(pair)
    return between(of_each(likeness, unit), pair, scatter=scatter_of(likeness, unit))


def of_each(likeness: Float[np.ndarray, "model model"], unit: Int[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    """Each model's mean figure with those of other units that it has one with; nan where there is none.

    Example:
        >>> of_each(np.array([[0.0, 0.2, 0.6], [0.2, 0.0, 0.4], [0.6, 0.4, 0.0]]), np.arange(3))
        array([0.4, 0.3, 0.5])
    """
    known = (unit[:, None] != unit) & ~np.isnan(likeness)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, likeness, 0.0).sum(1) / known.sum(1))


def scatter_of(
    likeness: Float[np.ndarray, "model model"], unit: Int[np.ndarray, " model"]
) -> Float[np.ndarray, " model"]:
    """The standard deviation of the figures of each model's unit over the other units; nan where one has none.

    Example:
        >>> scatter_of(np.array([[0.0, 0.2, 0.6], [0.2, 0.0, 0.4], [0.6, 0.4, 0.0]]), np.arange(3))
        array([0.2, 0.1, 0.1])
    """
    member = np.eye(int(unit.max(initial=-1)) + 1)[:, unit]
    known = ~np.isnan(likeness)
    with np.errstate(invalid="ignore"):
        alike = (member @ np.where(known, likeness, 0.0) @ member.T) / (member @ known @ member.T)
    off = ~np.eye(len(alike), dtype=bool)
    others = max(len(alike) - 1, 1)
    mean = np.where(off, alike, 0.0).sum(1) / others
    return np.asarray(np.sqrt(np.where(off, (alike - mean[:, None]) ** 2, 0.0).sum(1) / others)[unit])
