"""Units to flip: how many hidden units a greedy search silences until a model is wrong about an example."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32

from byrote.measures._members import member_average
from byrote.measures.catalog import measure
from byrote.measures.flip_radius import residuals
from byrote.results import PerExample


@measure(
    needs=("unit_search.silenced", "unit_search.flipped", "unit_search.right", "design.member"),
    unit="unit",
    range=(-np.inf, 0.0),
    higher="lost with fewer units",
    source="Maini et al. 2023, arXiv:2307.09542",
    section="4.5",
    domain="generalization",
    level="example",
    evaluation="localization",
    by_example=True,
)
def units_to_flip(
    silenced: Int32[np.ndarray, "model layer example"],
    flipped: Bool[np.ndarray, "model example"],
    right: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    """The number of hidden units that are silenced until a model predicts an example wrong, with a minus sign.

    It follows the final margin closely; `units_to_flip[beyond_margin]` is what it says beyond that.

    Formula:
        - mean over members k of n[k, i], n units that a greedy search silences; where it ends without a wrong
        prediction the units that it tried count, and `counts["censored"]` says in how many models
    Undefined:
        nan where no model was trained on the example and predicts it in the end; the error is nan below 2.

    Example:
        >>> n = np.array([[[1, 4]], [[3, 60]]], np.int32)
        >>> units_to_flip(n, n[:, 0] < 60, np.ones((2, 2), bool), np.ones((2, 2), np.int8)).values
        array([ -2., -32.])
    """
    seen = (member == 1) & right
    rows = (-one.sum(0).astype(np.float64) for one in silenced)
    return member_average(rows, seen, bounds=(-np.inf, 0.0), counts={"censored": (~flipped & seen).sum(0)})


@measure(
    needs=("unit_search.silenced", "unit_search.right", "unit_search.confidence", "design.member"),
    variant_of="units_to_flip",
    variant="beyond_margin",
    unit="share of the examples",
    range=(-1.0, 1.0),
    higher="lost with fewer units than examples of its margin",
    source="Maini et al. 2023, arXiv:2307.09542, with the margin as control",
    by_example=False,
)
def units_to_flip_beyond_margin(
    silenced: Int32[np.ndarray, "model layer example"],
    right: Bool[np.ndarray, "model example"],
    confidence: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    """The rank of the number of units among a model's members, minus what the rank of the final margin predicts of it.

    Formula:
        mean over members k of the residual of rank(-n[k]) / n on rank(-margin[k]) / n, by least squares
    Undefined:
        nan where no model was trained on the example and predicts it in the end; the error is nan below 2.

    Example:
        >>> n, m = np.array([[[1, 2, 3, 4]]], np.int32), np.array([[1.0, 2.0, 4.0, 3.0]])
        >>> ones = np.ones((1, 4), bool)
        >>> units_to_flip_beyond_margin(n, ones, m, ones.astype(np.int8)).values.round(3)
        array([ 0.075,  0.025,  0.175, -0.275])
    """
    seen = (member == 1) & right
    return member_average(residuals(silenced.sum(1), confidence, seen), seen, bounds=(-1.0, 1.0), counts={})
