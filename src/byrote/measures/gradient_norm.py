"""Gradient norm (GraNd): how hard an example pulls at the weights early in training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import EARLY, early
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("weight_gradients.norm", "weight_gradients.epochs", "design.member"),
    unit="nat / weight unit",
    range=(0.0, np.inf),
    higher="more memorized",
    source="Paul et al. 2021, arXiv:2107.07075, definition 2.1",
    section="3.6",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def gradient_norm(
    norm: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
    share: float = EARLY,
) -> PerExample:
    r"""Norm of the gradient of an example's loss in the weights early in training, in models trained on it.

    Formula:
        mean over members k of ||d loss[k, i] / d w||, at the checkpoint nearest to a tenth (`share`) of the epochs
        and never before training; `side=0` takes the models that were not trained on the example
    Undefined:
        nan where no model was trained on the example, a single checkpoint was recorded, or a gradient is not finite;
        the error is nan below 2 models.

    Example:
        >>> g = np.array([[[9.0], [2.0], [0.0]], [[9.0], [3.0], [0.0]]])
        >>> gradient_norm(g, np.array([0, 1, 10]), np.ones((2, 1), np.int8)).values
        array([2.5])

    Differs:
        The source also takes the gradient at initialization; that was found not to reproduce (Kirsch 2023,
        arXiv:2303.14753), and is not offered. Norms are ghost norms, equal to those of explicit gradients.
    """
    return side_average(iter(early(norm, epochs, share)), member, side, bounds=(0.0, np.inf))
