"""Cumulative sample gradient: how steep an example's loss was, over all of the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import summed
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample
from byrote.stats.intervals import UNBOUNDED

_SOURCE = "OpenReview jeTiBeW3iZ (ICLR 2026); survey eq. 12"
_PLUS = (0.0, np.inf)


@measure(
    needs=("input_gradients.norm", "input_gradients.epochs", "design.member"),
    unit="nat^2 / input unit^2",
    range=_PLUS,
    higher="more memorized",
    source=_SOURCE,
    section="3.6",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def cumulative_sample_gradient(
    norm: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    squared: bool = True,
    side: int = 1,
) -> PerExample:
    r"""Squared norm of the loss's gradient in the input, summed over the epochs, in models trained on the example.

    Formula:
        mean over members k of sum_c w_c ||d loss[k, c, i] / d x_i||^2, where w turns the recorded epochs into a sum
        over all (epoch_weights); `squared=False` sums the norms, `side=0` takes the models not trained on the example
    Undefined:
        nan where no model was trained on the example, or a gradient is not finite; the error is nan below 2 models.

    Example:
        >>> g = np.array([[[2.0], [1.0]], [[1.0], [1.0]]])
        >>> cumulative_sample_gradient(g, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([3.5])

    Differs:
        The survey's sum is squared (eq. 12); code of the same authors (CSL-Mem, scores.py) sums norms without a square,
        which is `cumulative_sample_gradient[norm]`. The source's own code could not be had. Checkpoints are weighted
        by the epochs that they stand for, as dense early ones would count many times over.
    """
    return side_average(summed(norm, epochs, squared=squared), member, side, bounds=_PLUS, skewed=squared)


@measure(
    needs=("input_gradients.norm", "input_gradients.epochs", "design.member"),
    variant_of="cumulative_sample_gradient",
    variant="norm",
    unit="nat / input unit",
)
def cumulative_sample_gradient_norm(
    norm: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""Norm of the loss's gradient in the input, summed over the epochs, in models trained on the example.

    Formula:
        mean over members k of sum_c w_c ||d loss[k, c, i] / d x_i||, w as in `cumulative_sample_gradient`
    Undefined:
        nan where no model was trained on the example, or a gradient is not finite; the error is nan below 2 models.

    Example:
        >>> g = np.array([[[2.0], [1.0]], [[1.0], [1.0]]])
        >>> cumulative_sample_gradient_norm(g, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([2.5])

    Differs:
        The survey squares (eq. 12); code of the same authors does not.
    """
    return side_average(summed(norm, epochs), member, side, bounds=_PLUS)


@measure(
    needs=("weight_gradients.norm", "weight_gradients.epochs", "design.member"),
    variant_of="cumulative_sample_gradient",
    variant="parameters",
    unit="nat^2 / weight unit^2",
)
def cumulative_sample_gradient_parameters(
    norm: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    squared: bool = True,
    side: int = 1,
) -> PerExample:
    r"""Squared norm of the loss's gradient in the weights, summed over the epochs, in models trained on the example.

    Formula:
        mean over members k of sum_c w_c ||d loss[k, c, i] / d w||^2, w_c as in `cumulative_sample_gradient`;
        `squared=False` sums the norms, `side=0` takes the models not trained on the example
    Undefined:
        nan where no model was trained on the example, or a gradient is not finite; the error is nan below 2 models.

    Example:
        >>> g = np.array([[[2.0], [1.0]], [[1.0], [1.0]]])
        >>> cumulative_sample_gradient_parameters(g, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([3.5])

    Differs:
        The source takes the gradient in the input.
    """
    return side_average(summed(norm, epochs, squared=squared), member, side, bounds=_PLUS, skewed=squared)


@measure(
    needs=("input_gradients.norm", "input_gradients.epochs", "design.member", "design.pair", "design.stratum"),
    variant_of="cumulative_sample_gradient",
    variant="counterfactual",
    unit="nat / input unit",
    range=(-np.inf, np.inf),
    higher="more of what would be a steep loss is fitted because of the example itself",
    evaluation="differential",
)
def cumulative_sample_gradient_counterfactual(
    norm: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"] | None = None,
) -> PerExample:
    r"""How much steeper an example's loss is in models without it than in those trained on it, summed over the epochs.

    Formula:
        v[k, i] = sum_c w_c ||d loss[k, c, i] / d x_i||;
        mean(v : not trained on i) - mean(v : trained on i), pair by pair; 0 where training on it changes nothing
    Undefined:
        nan where an example is in every model or in none, with fewer than 2 pairs or 2 models a side.

    Example:
        >>> g = np.array([[[1.0]], [[3.0]], [[1.0]], [[4.0]]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> cumulative_sample_gradient_counterfactual(g, np.array([5]), m, np.array([0, 0, 1, 1])).values
        array([2.5])

    Differs:
        The source has no such form. A model without a wrongly labelled example is sure of another label there, and its
        loss is steep; one that was trained on it has fitted it.
    """
    rows = -np.stack([*summed(norm, epochs)])
    return in_minus_out(rows, member, pair, stratum, bounds=UNBOUNDED, what="gradient")
