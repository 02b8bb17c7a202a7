"""A mean over models and examples that are crossed, with the error that comes from both."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.results import Scalar
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, parts
from byrote.stats.over_examples import over_both

#: Models are left out in at most so many parts.
PARTS: Final = 20


def crossed_mean(
    values: Float[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    cluster: Int[np.ndarray, " example"],
    *,
    bounds: Bounds,
) -> Scalar:
    """The mean over models of their means over examples; nan does not count.

    Its error is about other models and other examples: pairs of models are left out, and clusters of examples drawn.

    Undefined:
        the value where a model has no value; the error as that of `over_both`.

    Source: as `stats.over_examples`.

    Example:
        >>> values = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
        >>> crossed_mean(values, np.full(3, -1), np.arange(4), bounds=(0.0, 1.0))
        Scalar(0.6667 ± 0.19, 95 % [0.03552, 1])
    """
    judged = ~np.isnan(values)
    count = judged.sum(1, keepdims=True)
    known = np.where(judged, values, 0.0)
    if not len(values) or not count.all():
        return from_replicates(float("nan"), np.empty(0), models=len(values), examples=values.shape[1])
    each = known.sum(1, keepdims=True) / count
    part = parts(pair, groups=PARTS)
    shown = range(int(part.max()) + 1)
    replicates = np.array([each[part != one].mean() for one in shown]) if len(shown) > 1 else np.empty(0)
    found = from_replicates(
        float(each.mean()), replicates, models=len(values), examples=int(judged.any(0).sum()), bounds=bounds
    )
    moved = np.where(judged, values - each, 0.0) / count / len(values)
    here = judged.any(0)
    number = np.unique(cluster[here], return_inverse=True)[1]
    influence = np.stack([np.bincount(number, moved[part == one][:, here].sum(0)) for one in shown])
    return over_both(found, influence, bounds=bounds)
