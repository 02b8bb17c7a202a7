"""How well a score ranks the positives first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.errors import BadInput


@dataclass(frozen=True)
class PrecisionRecall:
    """Of the examples picked, the share that is positive; of the positives, the share that was picked."""

    precision: float
    recall: float


def ranks(score: Float[np.ndarray, " example"]) -> Float[np.ndarray, " example"]:
    """The rank of each score from 1, tied ones sharing the mean of theirs.

    Example:
        >>> ranks(np.array([0.5, 0.1, 0.5]))
        array([2.5, 1. , 2.5])
    """
    order = np.argsort(score)
    ordered = score[order]
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
    sizes = np.diff(np.append(starts, len(score)))
    found = np.empty(len(score))
    found[order] = np.repeat(starts + (sizes + 1) / 2, sizes)
    return found


def auroc(score: Float[np.ndarray, " example"], positive: Bool[np.ndarray, " example"]) -> float:
    """Chance that a random positive scores above a random negative, a tie counting half.

    Undefined:
        nan without a positive or without a negative.

    Example:
        >>> auroc(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]))
        0.75

    Raises:
        BadInput: a score is NaN.
    """
    _refuse_nan(score, "auroc")
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    above = ranks(score)[positive].sum() - positives * (positives + 1) / 2
    return float(above / positives / negatives)


def influence_of_auroc(
    score: Float[np.ndarray, " example"], positive: Bool[np.ndarray, " example"]
) -> Float[np.ndarray, " example"]:
    """How far each example moves the AUROC; the sum of squares is the variance that the choice of examples gives it.

    Formula:
        (the share of the other kind that it is ranked right with - AUROC) / number of its kind
    Undefined:
        nan without a positive or without a negative.

    Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44(3), 837-845.

    Example:
        >>> influence_of_auroc(np.array([0.9, 0.5, 0.6]), np.array([True, True, False]))
        array([ 0.25, -0.25,  0.  ])

    Raises:
        BadInput: a score is NaN.
    """
    area, whole, found = auroc(score, positive), ranks(score), np.full(len(score), np.nan)
    if np.isnan(area):
        return found
    for kind in (positive, ~positive):
        below = (whole[kind] - ranks(score[kind])) / (~kind).sum()
        found[kind] = ((below if kind is positive else 1.0 - below) - area) / kind.sum()
    return found


def auroc_by_chance(positives: int, negatives: int) -> float:
    """Standard deviation of the AUROC, around .5, of a score that has nothing to do with who is positive.

    Formula:
        sqrt((positives + negatives + 1) / (12 * positives * negatives)); ties make it smaller
    Undefined:
        nan without a positive or without a negative.

    Example:
        >>> round(auroc_by_chance(72, 1366), 3)
        0.035

    Source: Mann & Whitney 1947, Annals of Mathematical Statistics 18(1), the variance of U.
    """
    if not positives or not negatives:
        return float("nan")
    return float(np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))


def average_precision(score: Float[np.ndarray, " example"], positive: Bool[np.ndarray, " example"]) -> float:
    """Precision averaged over the steps of recall, from the highest score down; tied scores are one step.

    Undefined:
        nan without a positive or without a negative.

    Example:
        >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])).__round__(4)
        0.8333

    Raises:
        BadInput: a score is NaN.
    """
    _refuse_nan(score, "average_precision")
    positives = int(positive.sum())
    if not positives or positives == len(positive):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    found = np.cumsum(positive[order])[ends]
    return float(np.sum(np.diff(found, prepend=0) * found / (ends + 1)) / positives)


def detection(score: Float[np.ndarray, " example"], positive: Bool[np.ndarray, " example"]) -> tuple[float, float]:
    """`auroc` and `average_precision` of scores that are sorted once.

    Example:
        >>> detection(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]))
        (0.75, 0.8333333333333333)

    Raises:
        BadInput: a score is NaN.
    """
    _refuse_nan(score, "detection")
    own, others = np.sort(score[positive]), np.sort(score[~positive])
    below, up_to = np.searchsorted(others, own), np.searchsorted(others, own, side="right")
    return _detection(own, below, up_to, len(others))


def detection_without(
    score: Float[np.ndarray, " example"],
    positive: Bool[np.ndarray, " example"],
    part: Int[np.ndarray, " example"],
    parts: int,
) -> Float[np.ndarray, "part 2"]:
    """`detection` without each of so many parts of the examples, numbered from 0, of scores that are sorted once.

    Example:
        >>> detection_without(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]), np.array([0, 1, 1]), 2)[0]
        array([0.5, 0.5])

    Raises:
        BadInput: a score is NaN.
    """
    _refuse_nan(score, "detection_without")
    places = np.flatnonzero(positive)
    order = places[np.argsort(score[places])]
    own, of_own = score[order], part[order]
    others = [np.sort(score[~positive & (part == number)]) for number in range(parts)]
    below, up_to = (
        np.array([np.searchsorted(each, own, side=side) for each in others]).reshape(parts, -1)
        for side in ("left", "right")
    )
    number, found = sum(map(len, others)), np.empty((parts, 2))
    for gone, left in enumerate(others):
        kept = of_own != gone
        less, to = ((each.sum(0) - each[gone])[kept] for each in (below, up_to))
        found[gone] = _detection(own[kept], less, to, number - len(left))
    return found


def _detection(own: np.ndarray, below: np.ndarray, up_to: np.ndarray, negatives: int) -> tuple[float, float]:
    """Of positives in ascending order, how many negatives are below each, and below it or tied with it."""
    positives = len(own)
    if not positives or not negatives:
        return float("nan"), float("nan")
    starts = np.append(0, np.flatnonzero(own[1:] != own[:-1]) + 1)
    found = positives - starts
    precision = (np.diff(starts, append=positives) * found / (found + negatives - below[starts])).sum() / positives
    return float((below.sum() + up_to.sum()) / 2 / positives / negatives), float(precision)


def precision_recall_at(
    score: Float[np.ndarray, " example"], positive: Bool[np.ndarray, " example"], k: int
) -> PrecisionRecall:
    """Precision and recall of the k highest scores; of scores tied at the cut, the expected share counts.

    Undefined:
        nan, both, without a positive or without a negative.

    Example:
        >>> precision_recall_at(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]), 2)
        PrecisionRecall(precision=0.75, recall=0.75)

    Raises:
        BadInput: a score is NaN, or k is not in [1, number of scores].
    """
    _refuse_nan(score, "precision_recall_at")
    if not 1 <= k <= len(score):
        raise BadInput(
            f"The 'k' argument of precision_recall_at must be in [1, {len(score)}]. Got {k}.",
            hint="k counts the top of the ranking; give at most the number of scores.",
        )
    positives = int(positive.sum())
    if not positives or positives == len(positive):
        return PrecisionRecall(float("nan"), float("nan"))
    cut = np.partition(score, len(score) - k)[len(score) - k]
    above, tied = score > cut, score == cut
    found = positive[above].sum() + positive[tied].mean() * (k - above.sum())
    return PrecisionRecall(float(found / k), float(found / positives))


def _refuse_nan(score: np.ndarray, caller: str) -> None:
    missing = int(np.isnan(score).sum())
    if missing:
        raise BadInput(
            f"The 'score' argument of {caller} must not hold NaN. Got {missing} of {len(score)}.",
            hint="leave out the examples whose score is undefined, and say how many they were.",
        )
