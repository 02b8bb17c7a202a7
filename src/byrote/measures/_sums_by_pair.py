"""Sums over the models of each pair of mates, from which those without any pairs, or with members swapped, follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._references import References, left_out
from byrote.stats.jackknife import units
from byrote.stats.moments import Moments

#: Of non-members and of members: what is summed.
Terms = tuple[Sequence[Float[np.ndarray, "model example"]], Sequence[Float[np.ndarray, "model example"]]]


class SumsByPair:
    """Of non-members and members of each pair: how many there are, and the sums of some quantities.

    Models without a mate are pairs by themselves.
    """

    def __init__(
        self, member: Int8[np.ndarray, "model example"], pair: Int[np.ndarray, " model"], terms: Terms
    ) -> None:
        self.member, self.unit, self.terms = member, units(pair), terms

    def of(
        self, kept: Bool[np.ndarray, " model"], given: Int[np.ndarray, " model"]
    ) -> Float[np.ndarray, "side quantity pair example"]:
        """The sums of the pairs that are kept, in order, where model k has the members of model `given[k]`."""
        moved = given != np.arange(len(given))
        if not moved.any():
            found = self._true
        elif (self._mate[moved] == given[moved]).all():
            found = np.where(
                np.isin(np.arange(self.unit.max() + 1), self.unit[moved])[:, None], self._swapped, self._true
            )
        else:
            found = self._summed(self.member[given])
        return found if kept.all() else found[:, :, np.unique(self.unit[kept])]

    @cached_property
    def _mate(self) -> Int[np.ndarray, " model"]:
        """The mate of each model, itself where it has none, and -1 where it has several."""
        each = left_out(self.unit)
        return np.array(
            [
                int(own.sum()) - model if len(own) == 2 else model if len(own) == 1 else -1
                for model, own in enumerate(each)
            ]
        )

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
    """References, all finite, whose moments come from sums by pair of deviations from `centre` and of their squares."""

    def __init__(
        self,
        values: Float[np.ndarray, "model example"],
        member: Int8[np.ndarray, "model example"],
        pair: Int[np.ndarray, " model"],
        sums: Float[np.ndarray, "side 3 pair example"],
        centre: Float[np.ndarray, "side example"],
    ) -> None:
        self.values, self.member, self.finite = values, member, np.ones(values.shape[1], bool)
        self.names, self.left_out, self.unit = [0], left_out(pair), units(pair)
        self.sums, self.total, self.middle = sums, sums.sum(2), centre
        self.centre = (centre + self.total[:, 1] / np.maximum(self.total[:, 0], 1))[None]

    def without(self, targets: Int[np.ndarray, " target"], side: int) -> Moments:
        count, total, squares = self.total[side][:, None] - self.sums[side][:, self.unit[targets]]
        mean = total / np.maximum(count, 1)
        squares -= mean * total
        mean += self.middle[side]
        if not count.all():
            mean[count == 0] = np.nan
        return Moments(count.astype(np.int64), mean, np.maximum(squares, 0.0, out=squares))
