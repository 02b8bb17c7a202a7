"""Cumulative sample loss: all the loss that an example caused while it was learned."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._members import Seen, average_without, member_average
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.checkpoints import epoch_weights

_SOURCE = "Ravikumar et al. 2025; survey eq. 12"


def _summed(loss: np.ndarray, epochs: np.ndarray, member: np.ndarray) -> Seen:
    weights = epoch_weights(epochs)
    return Seen((weights @ model for model in loss), member == 1)


def _shown(loss_sum: np.ndarray, presentations: np.ndarray, member: np.ndarray) -> Seen:
    return Seen(loss_sum, (member == 1) & (presentations > 0))


@measure(
    needs=("trajectory.loss", "trajectory.epochs", "design.member"),
    unit="nat",
    range=(0.0, np.inf),
    higher="more memorized",
    source=_SOURCE,
    section="3.6",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
    without=average_without(_summed),
)
def cumulative_sample_loss(
    loss: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Loss of an example summed over the epochs of training, in models trained on it.

    Formula:
        mean over members k of sum_c w_c loss[k, c, i],
        where w turns the recorded epochs into a sum over all from the first to the last (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> l = np.array([[[2.0], [0.5]], [[3.0], [0.5]]])
        >>> cumulative_sample_loss(l, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([3.])

    Differs:
        Where not every epoch was recorded, the loss is taken as linear between two that were. The interval is
        Student's over members, which is a little too narrow for skewed losses: on digits it holds .91 with 4 members
        and .93 with 32, for log-normal sums with sigma 1 .81 and .89.
    """
    return member_average(*_summed(loss, epochs, member), bounds=(0.0, np.inf), counts={})


@measure(
    needs=("presentation.loss_sum", "presentation.presentations", "design.member"),
    variant_of="cumulative_sample_loss",
    variant="presentation",
    without=average_without(_shown),
)
def cumulative_sample_loss_presentation(
    loss_sum: Float[np.ndarray, "model example"],
    presentations: Int[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Loss of an example summed over the times it was shown, in models trained on it.

    Formula:
        mean over members k of loss_sum[k, i]; a model that was never shown the example does not count
    Undefined:
        nan where no model was trained on the example and shown it; the error is nan below 2.

    Example:
        >>> shown = np.full((2, 1), 10, np.int32)
        >>> total, m = np.array([[4.0], [5.0]]), np.ones((2, 1), np.int8)
        >>> cumulative_sample_loss_presentation(total, shown, m).values
        array([4.5])

    Differs:
        The loss of the training step itself (training mode, augmented, before its update) instead of an
        evaluation after each epoch. Its interval is as that of `cumulative_sample_loss`.
    """
    return member_average(*_shown(loss_sum, presentations, member), bounds=(0.0, np.inf), counts={})
