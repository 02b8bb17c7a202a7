"""Memorization-dilation: how far wrongly labelled examples are moved away from where their true class is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._over_models import over_models
from byrote.measures._strata import Stratum
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import Curve, PerExample

_SOURCE = "Nguyen et al. 2022, arXiv:2206.05530, eq. 5"
_GROUPS = ("planted label noise", "clean", "held out")
_WHY = "no model was trained on an example of it, or a class has fewer than 2 held-out examples"
_BOUNDS = (-np.inf, np.inf)

Distance = Float[np.ndarray, "model checkpoint example"]
Epochs = Int[np.ndarray, " checkpoint"]


@measure(
    needs=(
        "dilation.distance",
        "dilation.spread",
        "dilation.epochs",
        "controls.label_noise",
        "design.member",
        "design.pair",
    ),
    unit="distance of class means",
    range=(0.0, np.inf),
    higher="represented farther from the true class; the clean line is its null",
    source=_SOURCE,
    section="2.5",
    domain="generalization",
    level="model",
    evaluation="definition",
    by_example=False,
)
def memorization_dilation(
    distance: Distance,
    spread: Float[np.ndarray, "model checkpoint"],
    epochs: Epochs,
    label_noise: Bool[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Curve:
    r"""Distance of training examples from the held-out mean of their true class: planted noise, clean, and held out.

    Formula:
        d_i = |h_i - mu_k| / D of the features before the last layer, mu_k the mean of held-out examples of the true
        class k of i, D the mean distance between two of these means; mean over members of a group, then over models.
        "held out" is sqrt(mean |h_j - mu_k(j)|^2) / D over held-out examples j
    Undefined:
        nan on the line of a group that no model was trained on, and where a class has fewer than 2 held-out
        examples; the error is nan below 3 pairs.

    Example:
        >>> d = np.array([[[0.2, 0.2], [0.6, 0.3]]] * 3)
        >>> noisy, all_of_them = np.array([True, False]), np.ones((3, 2), np.int8)
        >>> memorization_dilation(d, np.full((3, 2), 0.3), np.array([0, 9]), noisy, all_of_them, np.full(3, -1)).values
        array([[0.2, 0.6],
               [0.2, 0.3],
               [0.3, 0.3]])

    Differs:
        Eq. 5 is a sum over wrongly labelled examples, which grows with their number and with the norm of features.
        Here it is a mean, divided by the distance between classes, beside that of clean examples.
    """
    lines = [_line(distance, (member == 1) & group) for group in (label_noise, ~label_noise)]
    each = np.stack([*lines, spread.astype(np.float64)], axis=1)
    counts = np.array([label_noise.sum(), (~label_noise).sum(), 0], np.int64)
    return over_models(each, epochs, pair, _GROUPS, counts=counts, bounds=(0.0, np.inf), why=_WHY)


@measure(
    needs=("dilation.distance", "design.member", "design.pair", "design.stratum"),
    variant_of="memorization_dilation",
    variant="example",
    range=_BOUNDS,
    higher="moved farther from its true class by training on it",
    level="example",
    evaluation="differential",
    by_example=True,
)
def memorization_dilation_example(
    distance: Distance,
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How much farther from its true class an example is represented by models that were trained on it.

    Formula:
        mean of d_i over models trained on i, less that over the others, at the last checkpoint; d_i as in
        memorization_dilation
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side, or where it
        was not drawn among those that the probe looked at.

    Example:
        >>> d = np.array([0.6, 0.2, 0.7, 0.3])[:, None, None]
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> memorization_dilation_example(d, m, np.array([0, 0, 1, 1])).values
        array([0.4])
    """
    last = distance[:, -1].astype(np.float64)
    return in_minus_out(last, member, pair, stratum, bounds=_BOUNDS, what="distance")


def _line(distance: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean distance of each model's chosen examples, `[model, checkpoint]`."""
    counted = chosen[:, None] & np.isfinite(distance)
    count = counted.sum(2)
    return np.asarray(np.where(counted, distance.astype(np.float64), 0.0).sum(2) / np.where(count, count, np.nan))
