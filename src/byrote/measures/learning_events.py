"""Learning events: how late in training an example is learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._members import Seen, average_without, member_average, weighted_mean
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.checkpoints import epoch_weights

_SOURCE = "Jiang et al. 2021, arXiv:2002.03206; survey eq. 10"


def _over_epochs(epochs: np.ndarray, member: np.ndarray, **quantity: np.ndarray) -> Seen:
    """Means over epochs of a quantity, which is high where an example is learned late; of any other, of the rest."""
    (name, values), weights = *quantity.items(), epoch_weights(epochs)
    late: Callable[[np.ndarray], np.ndarray] = _LATE.get(name, lambda model: model)
    return Seen((weighted_mean(late(model), weights) for model in values), member == 1)


#: Quantities that are high where an example is learned early, as what is left of them.
_LATE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "probability": lambda model: 1.0 - model.astype(np.float64),
    "top_confidence": lambda model: 1.0 - model.astype(np.float64),
    "correct": np.logical_not,
}


@measure(
    needs=("trajectory.probability", "trajectory.epochs", "design.member"),
    unit="probability",
    range=(0.0, 1.0),
    higher="learned later, more memorized",
    source=_SOURCE,
    section="3.4",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
    without=average_without(_over_epochs),
)
def learning_events(
    probability: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Average over training of the probability that is missing on an example's label.

    Formula:
        mean over members k of sum_c w_c (1 - probability[k, c, i]) / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> v = np.array([[[.1], [.9]], [[.3], [.5]]])
        >>> learning_events(v, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.55])

    Differs:
        The survey divides the sum of its T + 1 terms by T; this is their mean.
        One minus the mean confidence, so that higher is more memorized.
    """
    return member_average(*_over_epochs(epochs, member, probability=probability), bounds=(0.0, 1.0), counts={})


@measure(
    needs=("trajectory.top_confidence", "trajectory.epochs", "design.member"),
    variant_of="learning_events",
    variant="top_confidence",
    without=average_without(_over_epochs),
)
def learning_events_top_confidence(
    top_confidence: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Average over training of what the largest predicted probability falls short of 1.

    Formula:
        mean over members k of sum_c w_c (1 - top_confidence[k, c, i]) / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> v = np.array([[[.5], [.9]], [[.5], [.7]]])
        >>> learning_events_top_confidence(v, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.35])

    Differs:
        The survey divides the sum of its T + 1 terms by T; this is their mean.
        One minus the mean, so that higher is more memorized.
    """
    return member_average(*_over_epochs(epochs, member, top_confidence=top_confidence), bounds=(0.0, 1.0), counts={})


@measure(
    needs=("trajectory.entropy", "trajectory.epochs", "design.member"),
    unit="nat",
    range=(0.0, np.inf),
    variant_of="learning_events",
    variant="entropy",
    without=average_without(_over_epochs),
)
def learning_events_entropy(
    entropy: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Average over training of the entropy of the predicted distribution.

    Formula:
        mean over members k of sum_c w_c entropy[k, c, i] / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> v = np.array([[[.5], [.1]], [[.6], [.4]]])
        >>> learning_events_entropy(v, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.4])

    Differs:
        The survey divides the sum of its T + 1 terms by T; this is their mean.
        The survey calls a high value learned quickly, which holds for confidence and accuracy; entropy is the
        reverse.
    """
    return member_average(*_over_epochs(epochs, member, entropy=entropy), bounds=(0.0, np.inf), counts={})


@measure(
    needs=("trajectory.correct", "trajectory.epochs", "design.member"),
    unit="share of epochs",
    variant_of="learning_events",
    variant="accuracy",
    without=average_without(_over_epochs),
)
def learning_events_accuracy(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Share of training during which an example's label is not predicted.

    Formula:
        mean over members k of sum_c w_c [correct[k, c, i] = 0] / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> v = np.array([[[False], [True]], [[False], [False]]])
        >>> learning_events_accuracy(v, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([0.75])

    Differs:
        The survey divides the sum of its T + 1 terms by T; this is their mean.
        One minus the mean accuracy, so that higher is more memorized.
    """
    return member_average(*_over_epochs(epochs, member, correct=correct), bounds=(0.0, 1.0), counts={})


@measure(
    needs=("trajectory.loss", "trajectory.epochs", "design.member"),
    unit="nat",
    range=(0.0, np.inf),
    variant_of="learning_events",
    variant="loss",
    without=average_without(_over_epochs),
)
def learning_events_loss(
    loss: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Average over training of an example's loss.

    Formula:
        mean over members k of sum_c w_c loss[k, c, i] / sum_c w_c,
        with w_c the share of each recorded epoch in a sum over all of them (epoch_weights)
    Undefined:
        nan where no model was trained on the example; the error is nan below 2.

    Example:
        >>> v = np.array([[[2.], [1.]], [[3.], [0.]]])
        >>> learning_events_loss(v, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([1.5])

    Differs:
        The survey divides the sum of its T + 1 terms by T; this is their mean.
        The survey calls a high value learned quickly, which holds for confidence and accuracy; loss is the
        reverse.
    """
    return member_average(*_over_epochs(epochs, member, loss=loss), bounds=(0.0, np.inf), counts={})
