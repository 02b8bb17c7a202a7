"""Class cosine: whether an example's gradient lies with those of its class, over all of the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.measures._in_time import averaged
from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("class_cosine.cosine", "class_cosine.epochs", "design.member"),
    unit="cosine",
    range=(-1.0, 1.0),
    higher="learned against the others of its class",
    source="after Gu & Tresp 2019; survey section 4.4",
    section="4.4",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def class_cosine(
    cosine: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""How little an example's gradient lies along that of the other members of its class, averaged over epochs.

    Formula:
        - mean over members k and over epochs of cos(g_i, sum of g_j : j a member of k, j's given label that of i,
        j not i), g the loss's gradient in all trained weights; linear between recorded epochs; `side=0` takes the
        models that were not trained on the example
    Undefined:
        nan where none of the models that were looked at was trained on the example, it is alone in its class, or its
        gradient is 0; the error is nan below 2 models.

    Example:
        >>> c = np.array([[[0.5], [0.25]], [[0.25], [0.0]]])
        >>> class_cosine(c, np.array([0, 1]), np.ones((2, 1), np.int8)).values
        array([-0.25])

    Differs:
        No source has the score by example. The example itself is left out of the sum: with it, those of small classes
        look alike. Before training the cosine is mostly one of inputs.
    """
    rows = (-mean for mean in averaged(cosine, epochs))
    return side_average(rows, member, side, bounds=(-1.0, 1.0))
