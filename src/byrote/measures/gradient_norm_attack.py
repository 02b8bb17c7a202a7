"""The gradient-norm attack: what a network was trained on hardly pulls at its weights any more."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from byrote.measures._references import scores_of
from byrote.measures.catalog import measure
from byrote.results import PerModelExample

_SOURCE = "Nasr et al. 2019, arXiv:1812.00910"
Norms = Float[np.ndarray, "model example"]


@measure(
    needs=("gradients.gradient_norm",),
    unit="nat / weight unit",
    range=(-np.inf, 0.0),
    higher="more likely a member",
    source=_SOURCE,
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def gradient_norm_attack(gradient_norm: Norms) -> PerModelExample:
    r"""How little the example would still change the weights, as the norm of its gradient, negated.

    Formula:
        score[t, i] = -|grad of -log p_y(x_i) over all trained weights of model t|, in evaluation mode
    Undefined:
        nan where the norm is not finite.

    Example:
        >>> gradient_norm_attack(np.array([[0.5, 2.0]])).values
        array([[-0.5, -2. ]])

    Differs:
        The source feeds gradients of every layer to a learned attack; this is their norm alone, by the
        cross-entropy of the label whatever the recipe's objective.
    """
    return _negated(gradient_norm)


@measure(
    needs=("last_layer.gradient_norm",),
    variant_of="gradient_norm_attack",
    variant="last_layer",
)
def gradient_norm_attack_last_layer(gradient_norm: Norms) -> PerModelExample:
    r"""How little the example would still change the last layer, as the norm of its gradient there, negated.

    Formula:
        score[t, i] = -|p - e_y| sqrt(|h|^2 + 1), p the predicted distribution, e_y the label as a vector of 0 and 1,
        h what goes into the last layer: the gradient of -log p_y is (p - e_y) h for the weights, p - e_y for the bias
    Undefined:
        nan where the norm is not finite.

    Example:
        >>> gradient_norm_attack_last_layer(np.array([[0.5, 2.0]])).values
        array([[-0.5, -2. ]])

    Differs:
        As `gradient_norm_attack`; a forward pass is enough. A last layer without a bias counts as having one.
    """
    return _negated(gradient_norm)


def _negated(norm: np.ndarray) -> PerModelExample:
    scores = -norm.astype(np.float64)
    code = (~np.isfinite(scores)).astype(np.int8)
    return scores_of(scores, ("", "the norm is not finite"), code, np.zeros(len(scores), np.int64))
