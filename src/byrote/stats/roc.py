"""Curves of true against false positives, of scores that are sorted once for all groups of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int32, Integer, Shaped

#: A rate is told where at least so many false positives are to be expected at it.
LEAST_FALSE_POSITIVES: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Roc:
    """Rates of true and false positives as the threshold falls; straight between tied scores.

    Of scores in ascending order and whether each is a member's; there are both.
    """

    score: Float[np.ndarray, " cell"]
    inside: Bool[np.ndarray, " cell"]

    @cached_property
    def below(self) -> Int[np.ndarray, " member"]:
        """How many others stand before each member."""
        found = np.flatnonzero(self.inside)
        found -= np.arange(len(found))
        return found

    @property
    def members(self) -> int:
        """How many members there are."""
        return len(self.below)

    @property
    def nonmembers(self) -> int:
        """How many others there are."""
        return len(self.inside) - len(self.below)

    @property
    def false_positive(self) -> Float[np.ndarray, " point"]:
        """The rate of false positives at each threshold, from above the highest score down."""
        return self._from_above(~self.inside)

    @property
    def true_positive(self) -> Float[np.ndarray, " point"]:
        """The rate of true positives there."""
        return self._from_above(self.inside)

    def _from_above(self, side: np.ndarray) -> np.ndarray:
        starts = np.append(np.flatnonzero(self.score[1:] != self.score[:-1]) + 1, 0)
        found = np.append(0, np.cumsum(side[::-1]))
        return np.asarray(found[len(side) - np.append(len(side), np.sort(starts)[::-1])] / found[-1])

    @cached_property
    def area(self) -> float:
        """Chance that a member scores above a non-member, a tie counting half."""
        below, tied = float(self.below.sum()), self.score[1:] == self.score[:-1]
        if (tied & (self.inside[1:] != self.inside[:-1])).any():
            below += self._by_ties(tied)
        return below / self.members / self.nonmembers

    def _by_ties(self, tied: np.ndarray) -> float:
        """What half of each comparison of scores that tie is beyond what their order says."""
        edges = np.flatnonzero(np.diff(tied, prepend=False, append=False))
        starts, ends = edges[::2], edges[1::2] + 1
        places = np.arange(len(self.below)) + self.below
        first, last = np.searchsorted(places, starts), np.searchsorted(places, ends)
        own, sums = last - first, np.append(0, np.cumsum(self.below))
        before = starts - first  # others before the scores that tie
        told = sums[last] - sums[first] - own * before
        return float((own * (ends - starts - own)).sum()) / 2 - float(told.sum())

    def at(self, rate: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
        """Share of the members found at these rates of false positives; ties are broken by chance."""
        count, members, others = len(self.score), self.members, self.nonmembers
        wanted = np.minimum(np.maximum(rate, 0.0), 1.0) * others
        called = wanted.astype(np.int64)  # whole non-members, as their own rates are told
        called += (called + 1) / others <= rate
        called -= called / others > rate
        last = np.maximum(others - 1 - called, 0)  # the non-member that is not called any more
        score = self.score[last + np.searchsorted(self.below, last, side="right")]
        low, high = np.searchsorted(self.score, score), np.searchsorted(self.score, score, side="right")
        places = self.below + np.arange(members)
        up_to, above = members - np.searchsorted(places, low), members - np.searchsorted(places, high)
        share = (wanted - (count - high - above)) / ((high - low) - (up_to - above))
        return np.where(called >= others, 1.0, (above + (up_to - above) * share) / members)


@dataclass(frozen=True, kw_only=True, eq=False)
class RocOfStrata:
    """The mean of the curves of several strata at one rate of false positives, weighted by their members."""

    strata: tuple[Roc, ...]

    @property
    def members(self) -> int:
        """How many members there are."""
        return sum(one.members for one in self.strata)

    @property
    def nonmembers(self) -> int:
        """How many non-members a rate can rest on where each stratum is to have a false positive."""
        each = [one.nonmembers for one in self.strata]
        return sum(each) if len(each) == 1 else min(sum(each), LEAST_FALSE_POSITIVES * min(each))

    @property
    def area(self) -> float:
        """Chance that a member scores above a non-member of its stratum, a tie counting half."""
        return sum(one.members * one.area for one in self.strata) / self.members

    def at(self, rate: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
        """Share of the members found at these rates of false positives, the same in every stratum."""
        if len(self.strata) == 1:
            return self.strata[0].at(rate)
        found: np.ndarray = np.sum([one.members * one.at(rate) for one in self.strata], axis=0) / self.members
        return found


@dataclass(frozen=True, eq=False)
class Ranked:
    """Scores of known membership in ascending order."""

    score: Float[np.ndarray, " cell"]
    inside: Bool[np.ndarray, " cell"]

    def roc(self) -> Roc | None:
        """The curve; None without a member or without a non-member."""
        found = Roc(score=self.score, inside=self.inside)
        return found if found.members and found.nonmembers else None


@dataclass(frozen=True, eq=False)
class Tagged(Ranked):
    """Scores that are ranked, each with the part of the models that its target is in."""

    part: Integer[np.ndarray, " cell"]


@dataclass(frozen=True, eq=False)
class Ordered(Ranked):
    """Scores that are ranked, each with the target (row) and the example (column) it is of."""

    row: Int32[np.ndarray, " cell"]
    column: Int32[np.ndarray, " cell"]

    @classmethod
    def of(cls, score: Float[np.ndarray, "target example"], member: Int8[np.ndarray, "target example"]) -> Ordered:
        """The scores that are known of members and of non-members."""
        known = (member >= 0) & ~np.isnan(score)
        place = None if known.all() else np.flatnonzero(known)
        values = score.ravel() if place is None else score.ravel()[place]
        order = np.argsort(values)
        place = order if place is None else place[order]
        row = place.astype(np.int32) // np.int32(max(score.shape[1], 1))
        column = place.astype(np.int32) - row * np.int32(score.shape[1])
        return cls(values[order], (member == 1).ravel()[place], row, column)

    def of_parts(self, part: Int[np.ndarray, " target"]) -> Tagged:
        """The scores with the parts of their targets, numbered from 0."""
        return Tagged(self.score, self.inside, part[self.row])

    def split(self, group: Integer[np.ndarray, " cell"], count: int) -> Sequence[Ordered]:
        """The scores of each of `count` groups, numbered from 0; what is numbered `count` or above is in none."""
        order = np.argsort(group, kind="stable")  # groups are few: a pass or two
        ends = np.cumsum(np.bincount(group, minlength=count))[:count]
        sorted_by_group = [column[order] for column in (self.score, self.inside, self.row, self.column)]
        each = zip(np.append(0, ends), ends, strict=False)
        return [Ordered(*(column[start:end] for column in sorted_by_group)) for start, end in each]

    def with_members(self, member: Int8[np.ndarray, "target example"]) -> Ordered:
        """The same scores where membership is another, known of the same cells."""
        return Ordered(self.score, self.among(member) == 1, self.row, self.column)

    def among(self, table: Shaped[np.ndarray, "target example"]) -> Shaped[np.ndarray, " cell"]:
        """What a table has for each score."""
        found: np.ndarray = np.ravel(table)[self.row * np.int64(table.shape[1]) + self.column]
        return found


def roc(score: Float[np.ndarray, "*cells"], member: Int8[np.ndarray, "*cells"]) -> Roc | None:
    """The curve of scores whose membership is known; None without a member or without a non-member.

    Example:
        >>> curve = roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0], np.int8))
        >>> curve.area, curve.at(np.array([0.5]))
        (0.75, array([1.]))
    """
    return Ordered.of(score.reshape(1, -1), member.reshape(1, -1)).roc()


def roc_of_strata(
    score: Float[np.ndarray, "*cells"],
    member: Int8[np.ndarray, "*cells"],
    stratum: Int[np.ndarray, "*cells"] | None,
) -> RocOfStrata | None:
    """The curves of scores within strata; those without a member or without a non-member are left out.

    Example:
        >>> score, member = np.array([[5.0, 4.0], [0.0, 1.0]]), np.array([[1, 0], [1, 0]], np.int8)
        >>> roc_of_strata(score, member, np.array([[0, 0], [1, 1]])).area
        0.5
    """
    masks = [np.ones(score.shape, bool)] if stratum is None else [stratum == name for name in np.unique(stratum)]
    return mean_of(roc(score[mask], member[mask]) for mask in masks)


def mean_of(curves: Iterable[Roc | None]) -> RocOfStrata | None:
    """The mean of the curves that there are; None where there is none."""
    found = tuple(curve for curve in curves if curve is not None)
    return RocOfStrata(strata=found) if found else None
