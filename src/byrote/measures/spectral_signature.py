"""Spectral signature: does an example lie along the direction in which its class scatters most?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int8

from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("poison_signatures.spectral", "design.member"),
    unit="mean of the class",
    range=(0.0, np.inf),
    higher="more like a poison",
    source="Tran et al. 2018, arXiv:1811.00636, algorithm 1",
    section="5.3",
    domain="security",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def spectral_signature(
    spectral: Float[np.ndarray, "model example"], member: Int8[np.ndarray, "model example"]
) -> PerExample:
    r"""Squared place of an example along the first singular vector of its class's features, in models trained on it.

    Formula:
        mean over members k of (v_k . (f_k(x_i) - mean))^2 / mean over the class, v_k the first right singular vector
        of the centred features of model k's own examples of the class
    Undefined:
        nan where no model was trained on the example, or a model has fewer than 10 examples of its class; the error
        is nan below 2 models.

    Example:
        >>> s = np.array([[0.5, 4.0], [0.7, np.nan]])
        >>> spectral_signature(s, np.array([[1, 1], [1, 0]], np.int8)).values
        array([0.6, 4. ])

    Differs:
        The authors take one model of all data and rank each class by itself. Here the scores of the models trained on
        an example are averaged, and divided by the mean of its class, so that all classes are ranked together.
    """
    return side_average(iter(spectral), member, 1, bounds=(0.0, np.inf))
