"""The error of figures that stand for more than their own examples: it comes from models and from examples.

Models and examples are crossed: every model answers on every example. What a cluster of examples does to a figure in a
part of the models is its `influence[part, cluster]`; the sum over parts is the influence of the cluster.

Formula:
    variance = models + examples - both, not below the larger of the first two, with
    models = that of the jackknife over pairs of models, on the same examples;
    examples = C / (C - 1) * sum_c (sum_p influence[p, c])^2, which is that of a bootstrap over C clusters of examples;
    both = P / (P - 1) * sum_c sum_p (influence[p, c] - mean_p influence[p, c])^2, which either of them contains: what
    a model makes of an example beyond what it makes of others, and others of the example;
    the interval is Student's, with Satterthwaite's degrees of freedom
Source: Cameron, Gelbach & Miller 2011, Journal of Business & Economic Statistics 29(2), for errors clustered in two
    ways; Owen 2007, Annals of Applied Statistics 1(2), for the bootstrap of crossed data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

from byrote.results import Scalar
from byrote.stats.intervals import UPPER, Bounds

#: With fewer clusters of examples their error is unknown.
FEWEST_CLUSTERS: Final = 3


#: With fewer parts of the models theirs is.
FEWEST_PARTS: Final = 3
#: Of figures that are computed anew examples are left out in at most so many parts.
MOST_PARTS: Final = 20


@dataclass(frozen=True)
class Source:
    """A variance and its degrees of freedom."""

    variance: float
    degrees: float


UNKNOWN: Final = Source(math.nan, math.nan)


@dataclass(frozen=True)
class OfExamples:
    """What the choice of examples does to a figure: its variance, and what of it that of the models contains, too."""

    source: Source
    both: float
    clusters: int


def of_examples(influence: Float[np.ndarray, "part cluster"]) -> OfExamples:
    """The variance that comes from the choice of examples.

    Undefined:
        nan with fewer than 3 clusters.

    Example:
        >>> of_examples(np.array([[0.25, -0.25, 0.25, -0.25]])).source.variance.__round__(4)
        0.3333
    """
    parts, clusters = influence.shape
    if clusters < FEWEST_CLUSTERS:
        return OfExamples(UNKNOWN, math.nan, clusters)
    together = influence.sum(0)
    variance = clusters / (clusters - 1) * float(together @ together)
    both = 0.0
    if parts > 1:
        around_means = float(np.vdot(influence, influence)) - float(together @ together) / parts
        both = parts / (parts - 1) * max(around_means, 0.0)
    return OfExamples(Source(variance, clusters - 1.0), both, clusters)


def over_both(figure: Scalar, influence: Float[np.ndarray, "part cluster"], *, bounds: Bounds) -> Scalar:
    """A figure whose error is about models, as one whose error is about models and examples.

    The interval is cut at the `bounds`. Models that agree wholly add nothing.

    Undefined:
        the error where that of the models is unknown for want of pairs, or with fewer than 3 clusters, or where
        nothing varies.

    Example:
        >>> from byrote.stats.jackknife import from_replicates
        >>> over_models = from_replicates(0.5, np.array([0.4, 0.5, 0.6]), models=6, examples=4)
        >>> over_both(over_models, np.array([[0.1, -0.1, 0.1, -0.1]]), bounds=(0.0, 1.0)).stderr.__round__(3)
        0.258
    """
    if math.isnan(figure.value):
        return replace(figure, varies_over="models and examples")
    examples, models = of_examples(influence), len(figure.replicates)
    known = models >= FEWEST_PARTS and not np.isnan(figure.replicates).any()
    of_models = Source(float(np.nan_to_num(figure.stderr)) ** 2, models - 1.0) if known else UNKNOWN
    stderr, degrees = together([of_models], [examples.source], examples.both)
    reach = float(stdtrit(degrees, UPPER)) * stderr
    low, high = np.clip([figure.value - reach, figure.value + reach], *bounds).tolist()
    return replace(
        figure,
        stderr=stderr,
        low=low,
        high=high,
        note=_why_unknown(examples) if known and math.isnan(stderr) else figure.note if not known else "",
        varies_over="models and examples",
        influence=influence,
    )


def over_examples(figure: Scalar, influence: Float[np.ndarray, "part cluster"], *, bounds: Bounds) -> Scalar:
    """A figure of models that nothing stands for: its error is about other examples, with these models.

    Undefined:
        the error with fewer than 3 clusters, or where nothing varies.

    Example:
        >>> from byrote.stats.jackknife import from_replicates
        >>> one = from_replicates(0.5, np.empty(0), models=1, examples=4)
        >>> over_examples(one, np.array([[0.1, -0.1, 0.1, -0.1]]), bounds=(0.0, 1.0)).stderr.__round__(3)
        0.231
    """
    found = of_examples(influence)
    stderr, degrees = together([], [found.source], 0.0)
    reach = float(stdtrit(degrees, UPPER)) * stderr
    low, high = np.clip([figure.value - reach, figure.value + reach], *bounds).tolist()
    note = _why_unknown(found) if math.isnan(stderr) else ""
    return replace(figure, stderr=stderr, low=low, high=high, note=note, varies_over="examples", influence=influence)


def dealt(cluster: Int[np.ndarray, " example"], rng: np.random.Generator) -> Int[np.ndarray, " example"]:
    """For each example the part that it is left out with: clusters whole, at random, in at most 20 parts."""
    names, number = np.unique(cluster, return_inverse=True)
    return np.asarray(rng.permutation(len(names)) % MOST_PARTS)[number]


def influence_of_parts(
    statistics: Callable[[np.ndarray], Sequence[float]],
    values: Float[np.ndarray, " example"],
    rows: Int[np.ndarray, " drawn"],
    part: Int[np.ndarray, " drawn"],
) -> Float[np.ndarray, "statistic part"]:
    """How far parts of the examples move statistics that pass over nan: what they are without each of them.

    Example:
        >>> influence_of_parts(lambda x: [np.nanmean(x)], np.array([1.0, 2.0, 3.0]), np.arange(3), np.arange(3))
        array([[-0.33333333,  0.        ,  0.33333333]])
    """
    count = int(part.max(initial=-1)) + 1
    without = []
    for number in range(count):
        some = values.copy()
        some[rows[part == number]] = np.nan
        without.append(statistics(some))
    return influence_from(np.array(without, np.float64).reshape(count, -1))


def influence_from(without: Float[np.ndarray, "part statistic"]) -> Float[np.ndarray, "statistic part"]:
    """How far parts of the examples move statistics, from what these are without each of them.

    Example:
        >>> influence_from(np.array([[2.5], [2.0], [1.5]]))
        array([[-0.33333333,  0.        ,  0.33333333]])
    """
    count, each = len(without), without.T
    return np.asarray((count - 1) / max(count, 1) * (each.mean(1, keepdims=True) - each))


def together(models: Sequence[Source], examples: Sequence[Source], both: float) -> tuple[float, float]:
    """Standard error and degrees of freedom of independent sources of either kind, of which `both` is counted twice.

    Undefined:
        nan where a source is unknown, or nothing varies.
    """
    of_models, of_examples = (sum(source.variance for source in kind) for kind in (models, examples))
    variance = max(of_models + of_examples - both, of_models, of_examples)
    squares = sum(source.variance**2 / source.degrees for source in (*models, *examples))
    if not (variance > 0 and math.isfinite(squares)):
        return math.nan, math.nan
    return math.sqrt(variance), variance**2 / squares


def _why_unknown(examples: OfExamples) -> str:
    if examples.clusters < FEWEST_CLUSTERS:
        return f"the error is unknown: it takes at least {FEWEST_CLUSTERS} examples, or groups of them"
    return "the error is unknown: leaving models or examples out changes nothing"
