"""Area under the margin: how far an example's label stays behind the other classes in training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._members import Seen, average_without, member_average, weighted_mean
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.checkpoints import epoch_weights

_SOURCE = "Pleiss et al. 2020, arXiv:2001.10528"


def _mean_margins(logit_margin_sum: np.ndarray, presentations: np.ndarray, member: np.ndarray) -> Seen:
    rows = (
        -margin.astype(np.float64) / np.maximum(shown, 1)
        for margin, shown in zip(logit_margin_sum, presentations, strict=True)
    )
    return Seen(rows, (member == 1) & (presentations > 0))


def _at_checkpoints(logit_margin: np.ndarray, epochs: np.ndarray, member: np.ndarray) -> Seen:
    weights = epoch_weights(epochs)
    return Seen((-weighted_mean(model, weights) for model in logit_margin), member == 1)


@measure(
    needs=("presentation.logit_margin_sum", "presentation.presentations", "design.member"),
    unit="logit",
    range=(-np.inf, np.inf),
    higher="smaller margin, more memorized",
    source=_SOURCE,
    section="3.4",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
    without=average_without(_mean_margins),
)
def area_under_margin(
    logit_margin_sum: Float[np.ndarray, "model example"],
    presentations: Int[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""How far the label's logit lies below the largest other one, averaged over presentations.

    Formula:
        mean over members k of -logit_margin_sum[k, i] / presentations[k, i];
        a model that was never shown the example does not count
    Undefined:
        nan where no model was trained on the example and shown it; the error is nan below 2.

    Example:
        >>> shown = np.full((2, 1), 10, np.int32)
        >>> area_under_margin(np.array([[-20.0], [10.0]]), shown, np.ones((2, 1), np.int8)).values
        array([0.5])

    Differs:
        The sign is flipped, so that higher is more memorized. The average runs over all of training; the
        authors stop at the first drop of the learning rate, after which even wrong labels are fitted.
    """
    each = _mean_margins(logit_margin_sum, presentations, member)
    return member_average(*each, bounds=(-np.inf, np.inf), counts={})


@measure(
    needs=("trajectory.logit_margin", "trajectory.epochs", "design.member"),
    variant_of="area_under_margin",
    variant="checkpoint",
    without=average_without(_at_checkpoints),
)
def area_under_margin_checkpoint(
    logit_margin: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""How far the label's logit lies below the largest other one, averaged over the epochs.

    Formula:
        mean over members k of -sum_c w_c logit_margin[k, c, i] / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> z = np.array([[[-3.0], [1.0]], [[-2.0], [2.0]]])
        >>> area_under_margin_checkpoint(z, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.5])

    Differs:
        The sign is flipped, the average runs over all of training, the untrained network (epoch 0) included where
        it was recorded, and margins come from evaluations after epochs instead of from the training steps.
    """
    return member_average(*_at_checkpoints(logit_margin, epochs, member), bounds=(-np.inf, np.inf), counts={})
