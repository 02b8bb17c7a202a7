"""A measure: how much surer a model is of its answer if it was trained on the example."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample


@measure(
    needs=("outputs.entropy", "design.member", "design.pair", "design.stratum"),
    unit="nat",
    range=(-np.inf, np.inf),
    higher="surer once trained on",
    source="after the entropy attack of Salem et al. 2019, arXiv:1806.01246",
    section="3.3",
    domain="generalization",
    level="example",
    evaluation="differential",
    by_example=True,
)
def entropy_gap(
    entropy: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    """Entropy of the answers of models that never saw an example, less that of models trained on it.

    Formula:
        g_i = mean(H[k, i] : member[k, i] = 0) - mean(H[k, i] : member[k, i] = 1), H[k, i] = - sum_c p_c log p_c of
        the probabilities that model k gives the classes; in pairs, the mean of the differences between mates
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side, or where an
        entropy is not finite.

    Example:
        >>> h = np.array([[0.1], [0.6], [0.2], [0.5]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> entropy_gap(h, m, np.array([0, 0, 1, 1])).values
        array([0.4])

    Differs:
        The attack judges an example by the entropy of one model. Here models with and without it are compared, so
        that examples that every model is sure of have no gap.
    """
    return in_minus_out(-entropy, member, pair, stratum, bounds=(-np.inf, np.inf), what="entropy")
