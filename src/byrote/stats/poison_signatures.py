"""Two signatures of poisons in the features of a class: a direction with much variance, and a small cluster."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

#: A class of fewer examples has no signature.
FEWEST: Final = 10
#: Features are reduced to so many directions before they are clustered.
DIRECTIONS: Final = 10


def spectral(features: Float[np.ndarray, "example feature"]) -> Float[np.ndarray, " example"]:
    """The squared place of each example along the first singular vector of the centred features, over its mean.

    Undefined:
        nan with fewer than 10 examples, or where the features do not differ.

    Source: Tran et al. 2018, arXiv:1811.00636, algorithm 1.
    Differs:
        The authors rank each class by itself; divided by the mean, classes of unequal scatter are ranked together.

    Example:
        >>> spectral(np.array([[0.0]] * 8 + [[4.0]] * 2)).round(2).tolist()[-3:]
        [0.25, 4.0, 4.0]
    """
    places = _places(features, 1)
    if places is None:
        return np.full(len(features), np.nan)
    squared = places[:, 0] ** 2
    return np.asarray(squared / squared.mean())


def cluster(features: Float[np.ndarray, "example feature"]) -> Float[np.ndarray, " example"]:
    """How much nearer an example lies to the middle of the smaller cluster, times how uneven the two are.

    Formula:
        (d_large - d_small) / max(d_large, d_small) * (1 - 2 n_small / n), d the distances to the middles of two
        clusters (k-means, of at most 10 principal directions)
    Undefined:
        nan with fewer than 10 examples, or where the features do not differ.

    Source: Chen et al. 2018, arXiv:1811.03728, sections 4.1 and 4.2 (relative size).
    Differs:
        The authors take independent components, and remove a whole cluster; a number ranks examples of all classes.

    Example:
        >>> cluster(np.array([[0.0], [0.1]] * 4 + [[4.0]] * 2)).round(2).tolist()[-3:]
        [-0.59, 0.6, 0.6]
    """
    from sklearn.cluster import KMeans

    places = _places(features, DIRECTIONS)
    if places is None:
        return np.full(len(features), np.nan)
    found = KMeans(2, n_init=4, random_state=0).fit(places)
    small = int(np.bincount(found.labels_, minlength=2).argmin())
    distance = np.linalg.norm(places[:, None] - found.cluster_centers_, axis=2)
    near, far = distance[:, small], distance[:, 1 - small]
    uneven = 1 - 2 * float((found.labels_ == small).mean())
    return np.asarray((far - near) / np.maximum(far, near) * uneven)


def _places(features: Float[np.ndarray, "example feature"], directions: int) -> np.ndarray | None:
    """Where examples lie along the first singular vectors; None of too few, and of those that are all alike."""
    scale = float(np.abs(features).max(initial=0.0))
    if len(features) < FEWEST or not np.isfinite(scale):
        return None
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    if np.abs(centred).max() <= 1e-6 * scale:
        return None
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray((left * sizes)[:, :directions])
