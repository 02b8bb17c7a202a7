"""Intrinsic dimension by layer: whether training compresses what a layer hands on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve


@measure(
    needs=(
        "intrinsic_dimension.dimension",
        "intrinsic_dimension.points",
        "intrinsic_dimension.epochs",
        "intrinsic_dimension.layer",
        "design.pair",
    ),
    unit="dimension",
    range=(0.0, np.inf),
    higher="less compressed; memorizing networks compress less",
    source="Ansuini et al. 2019, arXiv:1905.12784",
    section="4.5",
    domain="generalization",
    level="model",
    evaluation="representation",
    by_example=False,
)
def intrinsic_dimension(
    dimension: Float[np.ndarray, "model checkpoint layer"],
    points: Int[np.ndarray, "model checkpoint layer"],
    epochs: Int[np.ndarray, " checkpoint"],
    layer: Shaped[np.ndarray, " layer"],
    pair: Int[np.ndarray, " model"],
) -> Curve:
    r"""TwoNN dimension of what each layer hands on of a model's training examples, beside that of the inputs.

    The value at epoch 0 is that of the untrained network, with which all others are to be compared: of a finite number
    of points the dimension comes out too low where it is high, so only equal numbers of points compare.

    Formula:
        slope through 0 of -log(1 - i / n) on log(r_2 / r_1), sorted, over the smallest 90 % of the ratios of the
        distances to the second and the first neighbour, exact copies left out; the mean over models
    Undefined:
        nan with fewer than 20 points that differ; the error is nan below 3 pairs.

    Example:
        >>> found = intrinsic_dimension(np.array([[[5.0]], [[6.0]], [[7.0]]]), np.full((3, 1, 1), 90), np.array([0]),
        ...     np.array(["inputs"]), np.full(3, -1))
        >>> found.values
        array([[6.]])
    """
    fewest, most = int(points.min()), int(points.max())
    found = over_models(
        dimension.transpose(0, 2, 1),
        epochs,
        pair,
        [str(name) for name in layer],
        counts=points.min((0, 1)),
        bounds=(0.0, np.inf),
        why="fewer than 20 points that differ",
    )
    if most <= 1.05 * fewest:
        return found
    note = f"it rests on {fewest} to {most} points, and of fewer points a high dimension comes out lower"
    return replace(found, note="; ".join(part for part in (note, found.note) if part))
