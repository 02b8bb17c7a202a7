"""First layer misalignment: whether the first layer takes over the principal components of its inputs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve


@measure(
    needs=(
        "first_layer.misalignment",
        "first_layer.rotated",
        "first_layer.rotated_least",
        "first_layer.epochs",
        "design.member",
        "design.pair",
    ),
    unit="dimensionless",
    range=(0.0, np.inf),
    higher="the first layer departs more from the components of its inputs",
    source="Maennel et al. 2020, arXiv:2006.10455",
    section="4.4",
    domain="generalization",
    level="model",
    evaluation="localization",
    by_example=False,
)
def first_layer_misalignment(
    misalignment: Float[np.ndarray, "model checkpoint"],
    rotated: Float[np.ndarray, "model checkpoint"],
    rotated_least: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Curve:
    r"""How far the first layer's weights are from lying along the principal components of its inputs, by epoch.

    Formula:
        sqrt(sum_k sqrt(v_k' S v_k . v_k' S^-1 v_k) - d), S the second moments of the units' weights, v_k the d
        components of the inputs; beside it the mean and the least of the same in components rotated at random.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where the layer has no more units than its inputs have components; the error is nan below 3 pairs.

    Example:
        >>> one, m = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8)
        >>> first_layer_misalignment(one, 2 * one, one, np.array([0, 5]), m, np.array([-1, -1])).values[0]
        array([0.375, 0.75 ])

    Differs:
        The source has no rotated components. Without them the figure misleads: it rises with training, as weights
        grow unequal, even where they lie along the components more than anywhere else.
    """
    return over_models(
        np.stack([misalignment, rotated, rotated_least], axis=1),
        epochs,
        pair,
        ("principal components", "rotated at random", "rotated, the least"),
        counts=np.full(3, int((member == 1).any(0).sum()), np.int64),
        bounds=(0.0, np.inf),
        why="the first layer has no more units than its inputs have components",
    )
