"""Curves of true against false positives, of scores that are sorted once for all groups of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int32, Integer, Shaped

#: A rate is told where at least so many false positives are to be expected at it.
LEAST_FALSE_POSITIVES: Final = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Roc:
    """Rates of true and false positives as the threshold falls; straight between tied scores."""

    false_positive: Float[np.ndarray, " point"]
    true_positive: Float[np.ndarray, " point"]
    members: int
    nonmembers: int

    @property
    def area(self) -> float:
        """Chance that a member scores above a non-member, a tie counting half."""
        return float(np.trapezoid(self.true_positive, self.false_positive))

    def at(self, rate: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
        """Share of the members found at these rates of false positives; ties are broken by chance."""
        found: np.ndarray = np.interp(rate, self.false_positive, self.true_positive)
        return found


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
        found: np.ndarray = np.sum([one.members * one.at(rate) for one in self.strata], axis=0) / self.members
        return found


@dataclass(frozen=True, eq=False)
class Ranked:
    """Scores of known membership in ascending order."""

    score: Float[np.ndarray, " cell"]
    inside: Bool[np.ndarray, " cell"]

    def split(self, group: Integer[np.ndarray, " cell"], count: int) -> Sequence[Ranked]:
        """The scores of each of `count` groups, numbered from 0; what is numbered `count` or above is in none."""
        return [Ranked(*of) for of in _split([self.score, self.inside], group, count)]

    def roc(self) -> Roc | None:
        """The curve; None without a member or without a non-member."""
        values, positive = self.score[::-1], self.inside[::-1]
        found = np.cumsum(positive)
        members = int(found[-1]) if len(found) else 0
        nonmembers = len(positive) - members
        if not members or not nonmembers:
            return None
        last = np.append(values[1:] != values[:-1], True)
        above = np.arange(1, len(values) + 1)
        if not last.all():
            found, above = found[last], above[last]
        return Roc(
            false_positive=np.append(0.0, (above - found) / nonmembers),
            true_positive=np.append(0.0, found / members),
            members=members,
            nonmembers=nonmembers,
        )


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

    @property
    def ranked(self) -> Ranked:
        """The scores alone."""
        return Ranked(self.score, self.inside)

    def split(self, group: Integer[np.ndarray, " cell"], count: int) -> Sequence[Ordered]:
        """The same with the targets and examples that they are of."""
        columns = [self.score, self.inside, self.row, self.column]
        return [Ordered(*of) for of in _split(columns, group, count)]

    def at(self, place: Integer[np.ndarray, " some"]) -> Ordered:
        """Some of the scores, in the order of their places."""
        return Ordered(self.score[place], self.inside[place], self.row[place], self.column[place])

    def of_targets(self, kept: Bool[np.ndarray, " target"]) -> Ordered:
        """The scores of some of the targets, which are numbered anew."""
        number = (np.cumsum(kept) - 1).astype(np.int32)
        found = self.at(np.flatnonzero(kept[self.row]))
        return Ordered(found.score, found.inside, number[found.row], found.column)

    def with_members(self, member: Int8[np.ndarray, "target example"]) -> Ordered:
        """The same scores where membership is another, known of the same cells."""
        return Ordered(self.score, self.among(member) == 1, self.row, self.column)

    def among(self, table: Shaped[np.ndarray, "target example"]) -> Shaped[np.ndarray, " cell"]:
        """What a table has for each score."""
        found: np.ndarray = np.ravel(table)[self.row * np.int64(table.shape[1]) + self.column]
        return found


def _split(columns: Sequence[np.ndarray], group: np.ndarray, count: int) -> list[tuple[np.ndarray, ...]]:
    order = np.argsort(group, kind="stable")  # groups are few: a pass or two
    ends = np.cumsum(np.bincount(group, minlength=count))[:count]
    sorted_by_group = [column[order] for column in columns]
    return [tuple(column[a:b] for column in sorted_by_group) for a, b in zip(np.append(0, ends), ends, strict=False)]


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
