"""Manifold capacity, radius and dimension: how a layer represents classes, and wrong labels as classes."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int32, Int64, Shaped

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve
from byrote.stats.manifold import FEWEST

#: The names of the lines, in the order of the parameters.
LINES: Final = (
    "clean",
    "clean, shuffled",
    "mislabelled by true label",
    "mislabelled by given label",
    "mislabelled, shuffled",
)
_SORTS: Final = ("clean", "clean_shuffled", "true", "given", "shuffled")
_SOURCE: Final = "Stephenson et al. 2021, arXiv:2105.14602; Chung et al. 2018, PRX 8, 031003"
Cells = Float[np.ndarray, "model checkpoint layer"]


def _needs(figure: str) -> tuple[str, ...]:
    named = tuple(f"manifolds.{figure}_{of}" for of in _SORTS)
    return (*named, "manifolds.points", "manifolds.epochs", "manifolds.layer", "design.pair")


@measure(
    needs=_needs("capacity"),
    unit="manifolds per dimension",
    range=(0.0, np.inf),
    higher="classes are easier to separate by a linear classifier",
    source=_SOURCE,
    section="4.5",
    domain="generalization",
    level="model",
    evaluation="representation",
    by_example=False,
)
def manifold_capacity(
    capacity_clean: Cells,
    capacity_clean_shuffled: Cells,
    capacity_true: Cells,
    capacity_given: Cells,
    capacity_shuffled: Cells,
    points: Int32[np.ndarray, " model"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """How many classes a linear classifier could separate per dimension of a layer, of clean or mislabelled members.

    A layer that has learned wrong labels represents mislabelled examples as classes by their given label: their
    capacity is then above that with shuffled labels. All manifolds have the same number of points, because the capacity
    falls with it.

    Formula:
        harmonic mean over classes k of 1 / E |t - v_k(t)|^2, see `stats.manifold`; the mean over models; centres stay
        correlated unless the probe has centres=decorrelated
    Undefined:
        nan with fewer than 2 classes of 8 members, or of 8 mislabelled members; the error is nan below 3 pairs.

    Example:
        >>> one = np.full((3, 1, 1), 0.5, np.float32)
        >>> manifold_capacity(one, one, one, one, one, np.full(3, 12, np.int32), np.array([9]), np.array(["0"]),
        ...     np.full(3, -1)).values.tolist()
        [[0.5], [0.5], [0.5], [0.5], [0.5]]
    """
    sorts = [capacity_clean, capacity_clean_shuffled, capacity_true, capacity_given, capacity_shuffled]
    return _lines(sorts, points, epochs, layer, pair)


@measure(
    needs=_needs("radius"),
    variant_of="manifold_capacity",
    variant="radius",
    unit="distance of centres",
    higher="classes are wider relative to the distance between them",
)
def manifold_radius(
    radius_clean: Cells,
    radius_clean_shuffled: Cells,
    radius_true: Cells,
    radius_given: Cells,
    radius_shuffled: Cells,
    points: Int32[np.ndarray, " model"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """The width of a layer's representation of a class, relative to the distance of its centre from the mean of all.

    Formula:
        root of E |s~ - E s~|^2 of the anchor points s~, see `stats.manifold`; the mean over classes and models
    Undefined:
        as `manifold_capacity`.

    Example:
        >>> one = np.full((3, 1, 1), 0.5, np.float32)
        >>> manifold_radius(one, one, one, one, one, np.full(3, 12, np.int32), np.array([9]), np.array(["0"]),
        ...     np.full(3, -1)).groups[:2]
        ('0: clean', '0: clean, shuffled')
    """
    sorts = [radius_clean, radius_clean_shuffled, radius_true, radius_given, radius_shuffled]
    return _lines(sorts, points, epochs, layer, pair)


@measure(
    needs=_needs("dimension"),
    variant_of="manifold_capacity",
    variant="dimension",
    unit="dimension",
    higher="classes spread in more directions",
)
def manifold_dimension(
    dimension_clean: Cells,
    dimension_clean_shuffled: Cells,
    dimension_true: Cells,
    dimension_given: Cells,
    dimension_shuffled: Cells,
    points: Int32[np.ndarray, " model"],
    epochs: Int64[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    pair: Int64[np.ndarray, " model"],
) -> Curve:
    """In how many directions a layer's representation of a class spreads, as far as a linear classifier is concerned.

    Formula:
        d (E cos(t, s~ - E s~))^2 of the anchor points s~ and Gaussian t, d the dimension of the span of the points,
        see `stats.manifold`; the mean over classes and models
    Undefined:
        as `manifold_capacity`.

    Example:
        >>> one = np.full((3, 1, 1), 5.0, np.float32)
        >>> manifold_dimension(one, one, one, one, one, np.full(3, 12, np.int32), np.array([9]), np.array(["0"]),
        ...     np.full(3, -1)).values[0].tolist()
        [5.0]
    """
    sorts = [dimension_clean, dimension_clean_shuffled, dimension_true, dimension_given, dimension_shuffled]
    return _lines(sorts, points, epochs, layer, pair)


def _lines(
    sorts: list[np.ndarray], points: np.ndarray, epochs: np.ndarray, layer: np.ndarray, pair: np.ndarray
) -> Curve:
    each = np.stack([values[:, :, place] for place in range(len(layer)) for values in sorts], 1)
    return over_models(
        each,
        epochs,
        pair,
        [f"{name}: {line}" for name in layer for line in LINES],
        counts=np.full(each.shape[1], int(points.min())),
        bounds=(0.0, np.inf),
        why=f"fewer than 2 classes with {FEWEST} such members",
    )
