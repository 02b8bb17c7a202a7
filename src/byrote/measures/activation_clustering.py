"""Activation clustering: does an example lie in a small cluster of its class's features?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int8

from byrote.measures._members import side_average
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("poison_signatures.cluster", "design.member"),
    unit="silhouette width",
    range=(-1.0, 1.0),
    higher="more like a poison",
    source="Chen et al. 2018, arXiv:1811.03728, sections 4.1 and 4.2",
    section="5.3",
    domain="security",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def activation_clustering(
    cluster: Float[np.ndarray, "model example"], member: Int8[np.ndarray, "model example"]
) -> PerExample:
    r"""How much nearer an example lies to the smaller of two clusters of its class, times how uneven these are.

    Formula:
        mean over members k of (d_large - d_small) / max(d_large, d_small) * (1 - 2 n_small / n), d the distances of
        model k's features to the middles of two clusters of its own examples of the class
    Undefined:
        nan where no model was trained on the example, or a model has fewer than 10 examples of its class; the error
        is nan below 2 models.

    Example:
        >>> c = np.array([[-0.5, 0.8], [-0.25, 0.6]])
        >>> activation_clustering(c, np.ones((2, 2), np.int8)).values
        array([-0.375,  0.7  ])

    Differs:
        The authors take one model of all data and remove a whole cluster. Here the scores of the models trained on an
        example are averaged, and rank all examples.
    """
    return side_average(iter(cluster), member, 1, bounds=(-1.0, 1.0))
