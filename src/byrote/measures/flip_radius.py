"""Flip radius: how little the weights have to change for a model to lose an example."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int8
from scipy.stats import rankdata

from byrote.measures._members import member_average
from byrote.measures.catalog import measure
from byrote.results import PerExample

_SOURCE = "noise on weights, as in flatness measures (Jiang et al. 2020, arXiv:1912.02178), example by example"


@measure(
    needs=("stability.radius", "stability.censored", "design.member"),
    unit="share of the norm",
    range=(-np.inf, 0.0),
    higher="lost at a smaller change of the weights",
    source=_SOURCE,
    section="4.5",
    domain="generalization",
    level="example",
    evaluation="localization",
    by_example=True,
)
def flip_radius(
    radius: Float[np.ndarray, "model example"],
    censored: Bool[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    """The smallest noise on the weights under which half of the draws predict an example wrong, with a minus sign.

    It follows the final margin closely; `flip_radius[beyond_margin]` is what it says beyond that.

    Formula:
        - mean over members k of r[k, i], r = min s : P(wrong under w + s |w| e / |e|, tensor by tensor) >= 1/2
    Undefined:
        nan where no model was trained on the example and predicts it in the end; the error is nan below 2. Where no
        noise that was tried is enough, r is the largest; `counts["censored"]` says in how many models.

    Example:
        >>> r = np.array([[0.5, 1.2], [0.7, np.nan]], np.float32)
        >>> flip_radius(r, r > 1, np.ones((2, 2), np.int8)).values.round(2)
        array([-0.6, -1.2])
    """
    seen = (member == 1) & np.isfinite(radius)
    counts = {"censored": (censored & seen).sum(0)}
    rows = (-row for row in np.where(seen, radius, 0.0).astype(np.float64))
    return member_average(rows, seen, bounds=(-np.inf, 0.0), counts=counts)


@measure(
    needs=("stability.radius", "stability.confidence", "design.member"),
    variant_of="flip_radius",
    variant="beyond_margin",
    unit="share of the examples",
    range=(-1.0, 1.0),
    higher="lost at a smaller change of the weights than examples of its margin",
    by_example=False,
)
def flip_radius_beyond_margin(
    radius: Float[np.ndarray, "model example"],
    confidence: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    """The rank of the flip radius among a model's members, minus what the rank of the final margin predicts of it.

    Formula:
        mean over members k of the residual of rank(-r[k]) / n on rank(-margin[k]) / n, by least squares
    Undefined:
        nan where no model was trained on the example and predicts it in the end; the error is nan below 2.

    Example:
        >>> r, m = np.array([[0.2, 0.4, 0.6, 0.8]]), np.array([[1.0, 2.0, 4.0, 3.0]])
        >>> flip_radius_beyond_margin(r, m, np.ones((1, 4), np.int8)).values.round(3)
        array([ 0.075,  0.025,  0.175, -0.275])
    """
    seen = (member == 1) & np.isfinite(radius)
    return member_average(residuals(radius, confidence, seen), seen, bounds=(-1.0, 1.0), counts={})


def residuals(radius: np.ndarray, confidence: np.ndarray, seen: np.ndarray) -> Iterator[np.ndarray]:
    """The ranks of a score, the least first, minus what those of the margin predict of them, model by model."""
    for row, margin, mine in zip(radius, confidence, seen, strict=True):
        made = np.zeros(len(row))
        if mine.any():
            score, known = (rankdata(-one[mine].astype(np.float64)) / mine.sum() for one in (row, margin))
            score, known = score - score.mean(), known - known.mean()
            spread = float(known @ known)
            made[mine] = score - (float(score @ known) / spread * known if spread > 0 else 0.0)
        yield made
