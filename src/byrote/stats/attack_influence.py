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
    """Scores of known membership in ascending order, each of a target in a part of the models and of one cluster."""

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
    def members(self) -> Float[np.ndarray, "part cluster"]:
        """How many scores of members each part and cluster has."""
        return self._counted(self.place[self.inside])

    @cached_property
    def nonmembers(self) -> Float[np.ndarray, "part cluster"]:
        """How many scores of non-members each part and cluster has."""
        return self._counted(self.place[~self.inside])

    @cached_property
    def outside(self) -> Int[np.ndarray, " nonmember"]:
        """The places of non-members."""
        return np.flatnonzero(~self.inside)

    def _counted(self, place: np.ndarray) -> np.ndarray:
        parts, clusters = self.shape
        return np.bincount(place, minlength=parts * clusters).reshape(self.shape).astype(np.float64)

    def of_calls(
        self, some: slice | Int[np.ndarray, " some"], called: Float[np.ndarray, " some"], false_weight: float
    ) -> Float[np.ndarray, "part cluster"]:
        """Of the rate of true positives less that of false ones, which counts with that weight.

        Most calls are of few scores: what each of the others does is the same, the mean.
        """
        members, nonmembers = len(self.inside) - len(self.outside), len(self.outside)
        inside, (parts, clusters) = self.inside[some], self.shape
        each = called * np.where(inside, 1 / members, -false_weight / nonmembers)
        summed = np.bincount(self.place[some], each, parts * clusters).reshape(self.shape)
        found, wrongly = called[inside].sum() / members, called[~inside].sum() / nonmembers
        summed += self.nonmembers * (false_weight * wrongly / nonmembers)
        summed -= self.members * (found / members)
        return summed


def influence_of_area(cells: Cells) -> Float[np.ndarray, "part cluster"]:
    """Of the area under the curve.

    Example:
        >>> cells = Cells(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True]), np.arange(4), (1, 4))
        >>> influence_of_area(cells)
        array([[ 0.125, -0.125, -0.125,  0.125]])
    """
    count, nonmembers = len(cells.score), len(cells.outside)
    changes = np.flatnonzero(cells.score[1:] != cells.score[:-1]) + 1
    starts, ends = np.append(0, changes), np.append(changes, count)
    first, last = (np.repeat(each, ends - starts) for each in (starts, ends))
    others_up_to = np.append(0, np.cumsum(~cells.inside))
    others = others_up_to[first] + others_up_to[last]
    # of non-members counts how many members are above
    share = np.where(cells.inside, others / nonmembers, (first + last - others) / (count - nonmembers)) / 2
    return cells.of_calls(slice(None), share, 1.0)


def influence_of_rate(cells: Cells, rate: float, slope: float) -> Float[np.ndarray, "part cluster"]:
    """Of the rate of true positives at a rate of false ones, where the curve rises by `slope`; ties broken by chance.

    Example:
        >>> cells = Cells(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True]), np.arange(4), (1, 4))
        >>> influence_of_rate(cells, 0.25, 1.0)
        array([[ 0.125, -0.25 , -0.125,  0.25 ]])
    """
    count = len(cells.outside)
    wanted = rate * count
    threshold = cells.score[cells.outside[max(count - 1 - int(wanted), 0)]]
    low, high = (int(np.searchsorted(cells.score, threshold, side=side)) for side in ("left", "right"))
    up_to, above = (count - int(np.searchsorted(cells.outside, place)) for place in (low, high))
    called = np.ones(len(cells.score) - low)
    called[: high - low] = (wanted - above) / (up_to - above)  # of scores that tie with it the share that makes it up
    return cells.of_calls(slice(low, None), called, slope)


def influence_of_balanced_accuracy(
    cells: Cells, called: Bool[np.ndarray, " cell"]
) -> Float[np.ndarray, "part cluster"]:
    """Of the mean of the rates of true positives and true negatives, given who is called a member."""
    some = np.flatnonzero(called)
    return cells.of_calls(some, np.ones(len(some)), 1.0) / 2
