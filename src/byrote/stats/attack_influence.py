"""How far each cluster of examples moves a figure of an attack, in each part of the models.

A score of one target and example moves a figure by its derivative with respect to that score's weight: an area by the
share of the other side below it (DeLong et al. 1988, Biometrics 44(3)), a rate at a threshold by whether the score is
above it, and by what a non-member above it does to the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8


@dataclass(frozen=True, eq=False)
class Cells:
    """Scores of known membership, each of a target in a part of the models and of an example in a cluster."""

    score: Float[np.ndarray, " cell"]
    inside: Bool[np.ndarray, " cell"]
    place: Int[np.ndarray, " cell"]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls,
        score: Float[np.ndarray, "target example"],
        member: Int8[np.ndarray, "target example"],
        part: Int[np.ndarray, " target"],
        cluster: Int[np.ndarray, " example"],
        chosen: Bool[np.ndarray, "target example"],
    ) -> Cells:
        """The chosen cells whose score and membership are known; parts and clusters are numbered from 0."""
        known = chosen & (member >= 0) & ~np.isnan(score)
        clusters = int(cluster.max(initial=-1)) + 1
        place = np.broadcast_to(part[:, None] * clusters + cluster, score.shape)[known]
        return cls(score[known], member[known] == 1, place, (int(part.max(initial=-1)) + 1, clusters))

    def summed(self, influence: Float[np.ndarray, " cell"]) -> Float[np.ndarray, "part cluster"]:
        """The influence of each cluster in each part."""
        parts, clusters = self.shape
        return np.bincount(self.place, influence, parts * clusters).reshape(self.shape)

    def of_calls(self, called: Float[np.ndarray, " cell"], false_weight: float) -> Float[np.ndarray, "part cluster"]:
        """Of the rate of true positives less that of false ones, which counts with that weight."""
        inside, outside = called[self.inside], called[~self.inside]
        influence = np.empty(len(called))
        influence[self.inside] = (inside - inside.mean()) / len(inside)
        influence[~self.inside] = -false_weight * (outside - outside.mean()) / len(outside)
        return self.summed(influence)


def influence_of_area(cells: Cells) -> Float[np.ndarray, "part cluster"]:
    """Of the area under the curve.

    Example:
        >>> cells = Cells(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False]), np.arange(4), (1, 4))
        >>> influence_of_area(cells)
        array([[ 0.125, -0.125, -0.125,  0.125]])
    """
    below = np.empty(len(cells.score))
    for side in (True, False):
        others = np.sort(cells.score[cells.inside != side])
        own = cells.score[cells.inside == side]
        under = np.searchsorted(others, own, side="left") + np.searchsorted(others, own, side="right")
        below[cells.inside == side] = under / (2 * len(others))
    # of non-members counts how many members are above
    return cells.of_calls(below, 1.0)


def influence_of_rate(cells: Cells, rate: float, slope: float) -> Float[np.ndarray, "part cluster"]:
    """Of the rate of true positives at a rate of false ones, where the curve rises by `slope`; ties broken by chance.

    Example:
        >>> cells = Cells(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False]), np.arange(4), (1, 4))
        >>> influence_of_rate(cells, 0.25, 1.0)
        array([[ 0.25 , -0.25 , -0.125,  0.125]])
    """
    return cells.of_calls(_called(cells, rate), slope)


def influence_of_balanced_accuracy(
    cells: Cells, called: Bool[np.ndarray, " cell"]
) -> Float[np.ndarray, "part cluster"]:
    """Of the mean of the rates of true positives and true negatives, given who is called a member."""
    return cells.of_calls(called.astype(np.float64), 1.0) / 2


def _called(cells: Cells, rate: float) -> Float[np.ndarray, " cell"]:
    """1 above the threshold of that rate of false positives, the share that makes it up where scores tie with it."""
    outside = np.sort(cells.score[~cells.inside])
    wanted = rate * len(outside)
    threshold = outside[max(len(outside) - 1 - int(wanted), 0)]
    above = len(outside) - np.searchsorted(outside, threshold, side="right")
    tied = len(outside) - above - np.searchsorted(outside, threshold, side="left")
    at = np.where(cells.score == threshold, (wanted - above) / tied, 0.0)
    return np.where(cells.score > threshold, 1.0, at)
