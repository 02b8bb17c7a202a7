"""What the networks' answers have in common, at the end and at checkpoints."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import expit

from byrote.axes import CHECKPOINT
from byrote.evidence.kind import OF_PROBABILITIES, REGRESSION, Quantity

#: Units of what is measured in a regression's own numbers.
TARGET_UNIT, SQUARED_UNIT = "unit of the target", "unit of the target^2"
_OF_NUMBERS: Final = frozenset({REGRESSION})


def loss_of(log_odds: np.ndarray) -> np.ndarray:
    """Cross-entropy from log-odds: -log p = log(1 + exp(-log_odds)), without overflow.

    Example:
        >>> loss_of(np.array([0.0])).round(4)
        array([0.6931])
    """
    loss: np.ndarray = np.logaddexp(0.0, -log_odds)
    return loss


def correct_of(logit_margin: np.ndarray) -> np.ndarray:
    """Correct where the label's logit is strictly the largest: a tie is no prediction."""
    correct: np.ndarray = logit_margin > 0
    return correct


def squared(residual: np.ndarray) -> np.ndarray:
    """The squared error."""
    error: np.ndarray = residual.astype(np.float64) ** 2
    return error


def size_of(residual: np.ndarray) -> np.ndarray:
    """The absolute error."""
    error: np.ndarray = np.abs(residual)
    return error


def epochs(meaning: str) -> Quantity:
    """Where the checkpoints are."""
    return Quantity((CHECKPOINT,), "int64", "epoch", meaning)


def answers(dims: tuple[str, ...]) -> dict[str, Quantity]:
    """What is recorded of answers with these axes.

    Of examples with several labels, a "label" is the whole set of them: its probability is the product over the
    labels, and its logit the sum of those of the labels it has, so that every name keeps its meaning. Of a regression
    "correct" says that the prediction misses the target by no more than the run's tolerance. Of several numbers an
    example errors are in standard deviations of each, and the mean over them is what is kept of residual, square and
    size.
    """
    probable, numbers = OF_PROBABILITIES, _OF_NUMBERS
    return {
        "log_odds": Quantity(dims, "float32", "nat", "z_y - logsumexp of the other logits", tasks=probable),
        "logit_margin": Quantity(dims, "float32", "logit", "z_y - the largest other logit", tasks=probable),
        "entropy": Quantity(dims, "float32", "nat", "entropy of the predicted distribution", tasks=probable),
        "top_confidence": Quantity(dims, "float32", "probability", "largest predicted probability", tasks=probable),
        "correct": Quantity(
            dims, "bool", "", "the label's logit is strictly the largest", ("logit_margin", correct_of)
        ),
        "probability": Quantity(
            dims, "float32", "probability", "probability of the label", ("log_odds", expit), tasks=probable
        ),
        "loss": Quantity(dims, "float32", "nat", "cross-entropy of the label", ("log_odds", loss_of), tasks=probable),
        "residual": Quantity(dims, "float32", TARGET_UNIT, "prediction less target, of a regression", tasks=numbers),
        "squared_error": Quantity(dims, "float64", SQUARED_UNIT, "its square", ("residual", squared), tasks=numbers),
        "absolute_error": Quantity(dims, "float32", TARGET_UNIT, "its size", ("residual", size_of), tasks=numbers),
    }
