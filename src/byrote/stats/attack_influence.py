"""How far each cluster of examples moves a figure of an attack, in each part of the models.

A score of one target and example moves a figure by its derivative with respect to that score's weight: an area by the
share of the other side below it (DeLong et al. 1988, Biometrics 44(3)), a rate at a threshold by whether the score is
above it, and by what a non-member above it does to the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.stats.roc import Ordered


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
        return cls.ordered(Ordered.of(score, np.where(chosen, member, np.int8(-1))), part, cluster)

    @classmethod
    def ordered(cls, cells: Ordered, part: Int[np.ndarray, " target"], cluster: Int[np.ndarray, " example"]) -> Cells:
        """Those of scores that are in ascending order."""
        parts, clusters = int(part.max(initial=-1)) + 1, int(cluster.max(initial=-1)) + 1
        place = (part * clusters)[cells.row] + cluster[cells.column]
        return cls(cells.score, cells.inside, place, (parts, clusters))

    @cached_property
    def members(self) -> Int[np.ndarray, "part cluster"]:
        """How many scores of members each part and cluster has."""
        return self._counted(self.place[self.inside])

    @cached_property
    def nonmembers(self) -> Int[np.ndarray, "part cluster"]:
        """How many scores of non-members each part and cluster has."""
        return self._counted(self.place[~self.inside])

    @cached_property
    def outside(self) -> Float[np.ndarray, " nonmember"]:
        """The scores of non-members in ascending order."""
        return np.sort(self.score[~self.inside])

    def _counted(self, place: np.ndarray) -> np.ndarray:
        parts, clusters = self.shape
        return np.bincount(place, minlength=parts * clusters).reshape(self.shape)

    def of_calls(self, called: Float[np.ndarray, " cell"], false_weight: float) -> Float[np.ndarray, "part cluster"]:
        """Of the rate of true positives less that of false ones, which counts with that weight.

        Most calls are of few scores: what each of the others does is the same, the mean.
        """
        members, nonmembers = int(self.members.sum()), int(self.nonmembers.sum())
        some = np.flatnonzero(called)
        amount, inside = called[some], self.inside[some]
        parts, clusters = self.shape
        each = amount * np.where(inside, 1 / members, -false_weight / nonmembers)
        summed = np.bincount(self.place[some], each, parts * clusters).reshape(self.shape)
        found, wrongly = amount[inside].sum() / members, amount[~inside].sum() / nonmembers
        usual = self.nonmembers * (false_weight * wrongly / nonmembers) - self.members * (found / members)
        return np.asarray(summed + usual)


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
    outside = cells.outside
    wanted = rate * len(outside)
    threshold = outside[max(len(outside) - 1 - int(wanted), 0)]
    above = len(outside) - np.searchsorted(outside, threshold, side="right")
    tied = len(outside) - above - np.searchsorted(outside, threshold, side="left")
    called = (cells.score > threshold).astype(np.float64)
    called[cells.score == threshold] = (wanted - above) / tied
    return np.asarray(called)
