"""Input curvature: how curved an example's loss was in its inputs, over all of the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import averaged
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample
from byrote.stats.intervals import UNBOUNDED

_SOURCE = "Garg et al. 2023, arXiv:2307.05831; Ravikumar et al. 2024"


@measure(
    needs=("input_curvature.trace", "input_curvature.epochs", "design.member"),
    unit="nat / input unit^2",
    range=(-np.inf, np.inf),
    higher="more memorized",
    source=_SOURCE,
    section="3.5",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def input_curvature(
    trace: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""Trace of the Hessian of an example's loss in its inputs, averaged over epochs, in models trained on it.

    Formula:
        mean over members k and over epochs of tr H, H = J' (diag p - p p') J of a piecewise linear network, J the
        gradients of its logits in the inputs; linear between recorded epochs; `side=0` takes the models that were not
        trained on the example
    Undefined:
        nan where none of the models that were looked at was trained on the example, or a value is not finite; the
        error is nan below 2 models.

    Example:
        >>> c = np.array([[[2.0], [1.0]], [[1.0], [0.0]]])
        >>> input_curvature(c, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([1.])

    Differs:
        The source takes the norm of a difference of gradients, `input_curvature[finite_difference]`. The exact Hessian
        of a piecewise linear network holds no label; the difference sees the label at the network's kinks. Scaling
        the inputs by c scales the trace by 1 / c^2. The survey does not say which functional of H is meant.
    """
    return side_average(averaged(trace, epochs), member, side, bounds=UNBOUNDED)


@measure(
    needs=("input_curvature.squared", "input_curvature.epochs", "design.member"),
    variant_of="input_curvature",
    variant="frobenius",
    unit="nat^2 / input unit^4",
)
def input_curvature_frobenius(
    squared: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""Sum of the squared entries of the Hessian of an example's loss in its inputs, averaged over epochs.

    Formula:
        mean over members k and over epochs of the sum of H_pq^2, H as in `input_curvature`
    Undefined:
        nan where none of the models that were looked at was trained on the example, or a value is not finite; the
        error is nan below 2 models.

    Example:
        >>> c = np.array([[[2.0], [1.0]], [[1.0], [0.0]]])
        >>> input_curvature_frobenius(c, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([1.])

    Differs:
        As `input_curvature`. Where the network is not piecewise linear it is drawn, and may be a little below 0.
    """
    return side_average(averaged(squared, epochs), member, side, bounds=UNBOUNDED)


@measure(
    needs=("input_curvature_difference.change", "input_curvature_difference.epochs", "design.member"),
    variant_of="input_curvature",
    variant="finite_difference",
    unit="nat / input unit",
)
def input_curvature_finite_difference(
    change: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""How much the gradient of an example's loss in its inputs changes a small step away, in models trained on it.

    Formula:
        mean over members k, over epochs and over random signs v of |g(x + h v) - g(x)|, g the loss's gradient in the
        inputs, h a thousandth of the standard deviation of all inputs unless `step` said otherwise
    Undefined:
        nan where none of the models that were looked at was trained on the example, or a value is not finite; the
        error is nan below 2 models.

    Example:
        >>> c = np.array([[[2.0], [1.0]], [[1.0], [0.0]]])
        >>> input_curvature_finite_difference(c, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([1.])

    Differs:
        The source divides by the size of the batch, so that its values fall with it; here each value is its own.
        h is a setting of the score, not of its precision: with other steps examples rank otherwise.
    """
    return side_average(averaged(change, epochs), member, side, bounds=UNBOUNDED)


@measure(
    needs=("input_curvature.trace", "input_curvature.epochs", "design.member", "design.pair", "design.stratum"),
    variant_of="input_curvature",
    variant="counterfactual",
    higher="more curved because of the example itself, as wrong labels that are fitted are",
    evaluation="differential",
)
def input_curvature_counterfactual(
    trace: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    r"""How much more curved an example's loss is in models trained on it than in those without it.

    Formula:
        v[k, i] = mean over epochs of tr H;
        mean(v : trained on i) - mean(v : not trained on i), pair by pair; 0 where training on it changes nothing
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side.

    Example:
        >>> c = np.array([[[3.0]], [[1.0]], [[4.0]], [[1.0]]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> input_curvature_counterfactual(c, np.array([5]), m, np.array([0, 0, 1, 1])).values
        array([2.5])

    Differs:
        The source has no such form. Its sign is not one of memorization throughout: an example with a wrong label is
        more curved in models that fitted it, one of which models without it are unsure is more curved in those.
    """
    rows = np.stack([*averaged(trace, epochs)])
    return in_minus_out(rows, member, pair, stratum, bounds=UNBOUNDED, what="curvature")
