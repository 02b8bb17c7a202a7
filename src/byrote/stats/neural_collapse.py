"""Neural collapse: how near the features of classes are to the corners of a simplex, and the last layer to them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Collapse:
    """Five figures that are 0 once classes have collapsed; nan where they are undefined."""

    within: float
    norms: float
    angles: float
    duality: float
    mean_rule: float


UNDEFINED = Collapse(*(float("nan"),) * 5)


def collapse(
    features: Float[np.ndarray, "example unit"],
    labels: Int[np.ndarray, " example"],
    weights: Float[np.ndarray, "class unit"],
    predicted: Int[np.ndarray, " example"],
) -> Collapse:
    """NC1 to NC4 of features that go into a last layer with these weights.

    Formula:
        mu_k class means, mu_G their mean, S_W mean of (h - mu_k)(h - mu_k)', S_B mean of (mu_k - mu_G)(mu_k - mu_G)';
        within tr(S_W S_B^+) / C (NC1); norms std / mean of |mu_k - mu_G| and angles mean |cos + 1 / (C - 1)| over
        pairs of classes (NC2); duality | W / |W| - M / |M| |, M of the rows mu_k - mu_G, Frobenius norms (NC3);
        mean_rule the share of examples whose nearest class mean is not the prediction (NC4)
    Undefined:
        nan with fewer than 2 classes, a class of the weights with fewer than 2 examples, fewer units than classes
        less one, or class means of lower rank.

    Source: Papyan et al. 2020, arXiv:2008.08186.
    Differs:
        The authors' notebook leaves out the division of NC1 by C, squares NC3, and divides deviations by C - 1.

    Example:
        >>> corners = np.repeat(np.eye(3), 2, axis=0)
        >>> collapse(corners, np.repeat(np.arange(3), 2), np.eye(3) - 1 / 3, np.repeat(np.arange(3), 2)).angles < 1e-12
        True
    """
    h, w = features.astype(np.float64), weights.astype(np.float64)
    classes = len(w)
    count = np.bincount(labels, minlength=classes)
    if classes < 2 or count.min() < 2 or h.shape[1] < classes - 1:
        return UNDEFINED
    means = class_means(h, labels, classes)
    centred = means - means.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    rank = classes - 1
    if sizes[rank - 1] <= 1e-9 * max(float(np.sqrt((means**2).sum(1).max())), 1e-300):
        return UNDEFINED
    scatter = ((h - means[labels]) @ axes[:rank].T) ** 2
    lengths = np.sqrt((centred**2).sum(1))
    cosines = [abs(centred[a] @ centred[b] / (lengths[a] * lengths[b]) + 1 / rank) for a, b in pairs(classes)]
    nearest = ((h**2).sum(1, keepdims=True) - 2 * h @ means.T + (means**2).sum(1)).argmin(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = w / np.linalg.norm(w) - centred / np.linalg.norm(centred)
    return Collapse(
        within=float((scatter.mean(0) / (sizes[:rank] ** 2 / classes)).sum() / classes),
        norms=float(lengths.std() / lengths.mean()),
        angles=float(np.mean(cosines)),
        duality=float(np.linalg.norm(apart)),
        mean_rule=float((nearest != predicted).mean()),
    )


def class_means(
    features: Float[np.ndarray, "example unit"], labels: Int[np.ndarray, " example"], classes: int
) -> Float[np.ndarray, "class unit"]:
    """The mean of each class; nan of a class without examples."""
    sums = np.zeros((classes, features.shape[1]))
    np.add.at(sums, labels, features)
    count = np.bincount(labels, minlength=classes)
    return np.asarray(sums / np.where(count, count, np.nan)[:, None])


@dataclass(frozen=True, eq=False)
class Dilation:
    """How far examples are from the held-out mean of their class, and how far held-out examples scatter around it."""

    distance: Float[np.ndarray, " example"]
    spread: float


def dilation(
    features: Float[np.ndarray, "example unit"],
    labels: Int[np.ndarray, " example"],
    heldout: Float[np.ndarray, "query unit"],
    heldout_labels: Int[np.ndarray, " query"],
    classes: int,
) -> Dilation:
    """Distances in units of the mean distance between two held-out class means; `labels` are the true ones.

    Formula:
        d_i = |h_i - mu_k| / D, mu_k the mean of held-out features of the true class k of i, D the mean of
        |mu_k - mu_l| over pairs of classes; spread sqrt(mean |h_j - mu_k(j)|^2 over held-out j) / D
    Undefined:
        nan with fewer than 2 classes, a class with fewer than 2 held-out examples, or D = 0.

    Source: Nguyen et al. 2022, arXiv:2206.05530, eq. 5.
    Differs:
        Eq. 5 sums distances over examples, which grows with their number and with the norm of features.

    Example:
        >>> held = np.array([[0.0], [0.0], [4.0], [4.0]])
        >>> dilation(np.array([[1.0]]), np.array([0]), held, np.array([0, 0, 1, 1]), 2)
        Dilation(distance=array([0.25]), spread=0.0)
    """
    h, held = features.astype(np.float64), heldout.astype(np.float64)
    nothing = Dilation(np.full(len(h), np.nan), float("nan"))
    if classes < 2 or np.bincount(heldout_labels, minlength=classes).min() < 2:
        return nothing
    means = class_means(held, heldout_labels, classes)
    apart = float(np.mean([np.linalg.norm(means[a] - means[b]) for a, b in pairs(classes)]))
    if not apart > 1e-9 * float(np.sqrt((held**2).sum(1).max())):
        return nothing
    spread = np.sqrt(((held - means[heldout_labels]) ** 2).sum(1).mean())
    return Dilation(np.sqrt(((h - means[labels]) ** 2).sum(1)) / apart, float(spread / apart))


def pairs(classes: int) -> list[tuple[int, int]]:
    """Pairs of classes."""
    return list(combinations(range(classes), 2))
