"""Sums over the models of each pair of mates, from which those without any pairs, or with members swapped, follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._references import References, left_out
from byrote.stats.jackknife import units
from byrote.stats.moments import Moments

#: Of non-members and of members: what is summed.
Terms = tuple[Sequence[Float[np.ndarray, "model example"]], Sequence[Float[np.ndarray, "model example"]]]


class Sums(NamedTuple):
    """Of each pair, how many non-members and members it has, and their sums, as `of_pairs` or as `swapped` says."""

    of_pairs: Float[np.ndarray, "side quantity pair example"]
    swapped: Float[np.ndarray, "side quantity pair example"]
    chosen: Bool[np.ndarray, " pair"]

    def of(self, side: int, pairs: Int[np.ndarray, " some"]) -> Float[np.ndarray, "quantity some example"]:
        """Those of some pairs."""
        found = self.of_pairs[side][:, pairs]
        turned = self.chosen[pairs]
        if turned.any():
            found[:, turned] = self.swapped[side][:, pairs[turned]]
        return np.asarray(found)

    def total(self, kept: Bool[np.ndarray, " pair"]) -> Float[np.ndarray, "side quantity example"]:
        """Those of all pairs that are kept together."""
        found = (kept & ~self.chosen).astype(np.float64) @ self.of_pairs
        if self.chosen.any():
            found += (kept & self.chosen).astype(np.float64) @ self.swapped
        return np.asarray(found)


class SumsByPair:
    """Of non-members and members of each pair: how many there are, and the sums of some quantities.

    Models without a mate are pairs by themselves.
    """

    def __init__(
        self, member: Int8[np.ndarray, "model example"], pair: Int[np.ndarray, " model"], terms: Terms
    ) -> None:
        self.member, self.unit, self.terms = member, units(pair), terms

    def where(self, given: Int[np.ndarray, " model"]) -> Sums:
        """The sums where model k has the members of model `given[k]`."""
        moved = given != np.arange(len(given))
        chosen = np.zeros(int(self.unit.max()) + 1, bool)
        if not (self._mate[moved] == given[moved]).all():
            found = self._summed(self.member[given])
            return Sums(found, found, chosen)
        chosen[self.unit[moved]] = True
        return Sums(self._true, self._swapped if moved.any() else self._true, chosen)

    @cached_property
    def _mate(self) -> Int[np.ndarray, " model"]:
        """The mate of each model, itself where it has none, and -1 where it has several."""
        found = np.full(len(self.unit), -1)
        for model, own in enumerate(left_out(self.unit)):
            if len(own) < 3:
                found[model] = own.sum() - model if len(own) == 2 else model
        return found

    @cached_property
    def _true(self) -> Float[np.ndarray, "side quantity pair example"]:
        return self._summed(self.member)

    @cached_property
    def _swapped(self) -> Float[np.ndarray, "side quantity pair example"]:
        return self._summed(self.member[np.maximum(self._mate, 0)])

    def _summed(self, member: np.ndarray) -> np.ndarray:
        found = np.zeros((2, 1 + len(self.terms[0]), int(self.unit.max()) + 1, member.shape[1]))
        for side, terms in enumerate(self.terms):
            for model, unit in enumerate(self.unit):
                chosen = member[model] == side
                found[side, 0, unit] += chosen
                for place, term in enumerate(terms, start=1):
                    found[side, place, unit] += term[model] * chosen
        return found


class SummedReferences(References):
    """References, all finite, whose moments come from sums by pair of deviations from `centre` and of their squares.

    They are those of the models whose `unit` is given, each in turn a target.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "model example"],
        member: Int8[np.ndarray, "model example"],
        unit: Int[np.ndarray, " model"],
        sums: Sums,
        centre: Float[np.ndarray, "side example"],
    ) -> None:
        self.values, self.member, self.finite = values, member, np.ones(values.shape[1], bool)
        self.names, self.left_out, self.unit = [0], left_out(unit), unit
        self.sums, self.middle = sums, centre
        self.all_sums = sums.total(np.isin(np.arange(sums.of_pairs.shape[2]), unit))
        self.centre = (centre + self.all_sums[:, 1] / np.maximum(self.all_sums[:, 0], 1))[None]

    def without(self, targets: Int[np.ndarray, " target"], side: int) -> Moments:
        left = self.sums.of(side, self.unit[targets])
        count, total, squares = np.subtract(self.all_sums[side][:, None], left, out=left)
        mean = total / np.maximum(count, 1)
        squares -= mean * total
        mean += self.middle[side]
        if not count.all():
            mean[count == 0] = np.nan
        return Moments(count.astype(np.int64), mean, np.maximum(squares, 0.0, out=squares))
