"""Every model takes its turn as an attack's target; the others, without its mate, are the attacker's references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.errors import TooFewModels
from byrote.measures._strata import Stratum, chosen_by_cell, names_of, strata_of
from byrote.results import PerModelExample
from byrote.stats.contrasts import LEAST_A_SIDE
from byrote.stats.moments import Moments

#: A spread below this share of the values' size is rounding of the float32 in which they are recorded.
RESOLUTION = 1e-6
#: Fewer examples than this may share one number of members by chance.
BALANCED_FROM = 20
LEAST_REFERENCES = 4
SIDES = (1, 0)
FEW_IN_STRATUM = "fewer than 2 reference models a side in the target's stratum; it takes more models"


def left_out(pair: Int[np.ndarray, " model"]) -> list[np.ndarray]:
    """For each target the models that are no references for it: itself and its mate.

    Example:
        >>> left_out(np.array([3, -1, 3]))
        [array([0, 2]), array([1]), array([0, 2])]
    """
    mates = {name: np.flatnonzero(pair == name) for name in np.unique(pair[pair >= 0])}
    return [mates[name] if name >= 0 else np.array([model]) for model, name in enumerate(pair)]


def reference_counts(pair: Int[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """How many models an attacker on each target has."""
    return np.array([len(pair) - len(gone) for gone in left_out(pair)], np.int64)


def refuse_few(pair: Int[np.ndarray, " model"], attack: str) -> None:
    """Refuse to attack with too few references.

    Raises:
        TooFewModels: a target would have fewer than 4 of them.
    """
    least = int(reference_counts(pair).min(initial=len(pair)))
    if least < LEAST_REFERENCES:
        raise TooFewModels(
            f"{attack} needs at least {LEAST_REFERENCES} reference models beside a target and its mate. Got {least}.",
            hint="train at least 6 models in pairs; --models 64 gives an attacker 62.",
        )


def refuse_leaks(
    member: Int8[np.ndarray, "model example"], pair: Int[np.ndarray, " model"], stratum: Stratum = None
) -> None:
    """Refuse a design in which the references give the target's membership away.

    Where every example is in the same number of models of a stratum and mates are unknown, the references that are
    left there hold one member too few exactly if the target was trained on the example.

    Raises:
        TooFewModels: the design is such a one.
    """
    if all(len(gone) > 1 for gone in left_out(pair)):
        return
    known = (member >= 0).any(0)  # of what nobody knows there is nothing to give away
    member, numbers = member[:, known], strata_of(stratum, member)[:, known]
    for name in names_of(numbers):
        own = numbers == name
        inside, models = ((member == 1) & own).sum(0), ((member >= 0) & own).sum(0)
        balanced = len(inside) >= BALANCED_FROM and np.ptp(inside) == 0 and np.ptp(models) == 0
        if balanced and 0 < inside[0] < models[0]:
            raise TooFewModels(
                f"Every example is in exactly {inside[0]} of {models[0]} models and no pairs are known, so that the "
                "models left as references would give away what each target was trained on.",
                hint="name the pairs of complementary models, or draw members independently, as iid_subsets and coins "
                "do.",
            )


class References:
    """Moments of a quantity over the members and the non-members of each example, without a target and its mate.

    Of several strata, over the reference models of the target's own stratum. Sums are taken of deviations from each
    cell's own mean, so that taking a model out costs no digits.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "model example"],
        member: Int8[np.ndarray, "model example"],
        pair: Int[np.ndarray, " model"],
        stratum: Stratum = None,
    ) -> None:
        finite = np.isfinite(values)
        self.finite = finite.all(0)
        self.values = values if self.finite.all() else np.where(finite, values, np.nan)
        self.member, self.stratum = member, strata_of(stratum, member)
        self.names = names_of(self.stratum)
        self.left_out = left_out(pair)
        # identical values stay identical: their mid-range is the value itself
        middle = (self.values.min(0).astype(np.float64) + self.values.max(0)) / 2
        shape = (len(self.names), 2, values.shape[1])
        self.count, self.centre = np.zeros(shape, np.int64), np.broadcast_to(middle, shape)
        shift = np.zeros(shape)
        for model, cells in chosen_by_cell(member, self.stratum):
            for cell, chosen in cells:
                self.count[cell] += chosen
                shift[cell] += self._deviation(model, cell, chosen)
        self.centre = middle + shift / np.maximum(self.count, 1)
        self.sum, self.squares = np.zeros(shape), np.zeros(shape)
        for model, cells in chosen_by_cell(member, self.stratum):
            for cell, chosen in cells:
                deviation = self._deviation(model, cell, chosen)
                self.sum[cell] += deviation
                self.squares[cell] += deviation**2

    def targets_alike(self) -> list[list[int]]:
        """The targets, those together that have the same references and so the same moments."""
        if len(self.names) > 1:
            return [[target] for target in range(len(self.left_out))]
        alike: dict[tuple[int, ...], list[int]] = {}
        for target, gone in enumerate(self.left_out):
            alike.setdefault(tuple(gone.tolist()), []).append(target)
        return list(alike.values())

    def _deviation(self, model: int, cell: tuple[int, int], chosen: np.ndarray) -> np.ndarray:
        return np.where(chosen, self.values[model] - self.centre[cell], 0.0)

    def without(self, target: int, side: int) -> Moments:
        """Moments of one side (1 members, 0 non-members) over the target's references; the mean is NaN without any."""
        if len(self.names) == 1:
            return self._in_stratum(0, target, side)
        own = np.searchsorted(self.names, self.stratum[target])
        if own.size and (own == own[0]).all():
            return self._in_stratum(int(own[0]), target, side)
        found = [self._in_stratum(place, target, side) for place in range(len(self.names))]
        picked = (
            np.take_along_axis(np.stack([getattr(one, name) for one in found]), own[None], 0)[0]
            for name in ("count", "mean", "squares")
        )
        return Moments(*picked)

    def _in_stratum(self, place: int, target: int, side: int) -> Moments:
        cell = place, side
        count, total, squares = self.count[cell].copy(), self.sum[cell].copy(), self.squares[cell].copy()
        for model in self.left_out[target].tolist():
            chosen = (self.member[model] == side) & (self.stratum[model] == self.names[place])
            deviation = self._deviation(model, cell, chosen)
            count -= chosen
            total -= deviation
            squares -= deviation**2
        mean = total / np.where(count, count, np.nan)
        around = np.maximum(squares - np.where(count > 0, mean, 0.0) * total, 0.0)
        return Moments(count, self.centre[cell] + mean, around)

    def too_few(self, target: int, sides: Sequence[int] = SIDES) -> Bool[np.ndarray, " example"]:
        """Whether the target's stratum of an example, of several, has fewer than 2 references on one of the sides."""
        if len(self.names) == 1:
            return np.zeros(self.member.shape[1], bool)
        fewest = np.min([self.without(target, side).count for side in sides], axis=0)
        short: np.ndarray = fewest < LEAST_A_SIDE
        return short

    def smallest_variance(self) -> Float[np.ndarray, " example"]:
        """The variance that rounding of the recorded values alone would make."""
        size = np.abs(self.centre).max((0, 1))
        floor: np.ndarray = (RESOLUTION * np.maximum(size, 1.0)) ** 2
        return floor


def scores_of(
    values: Float[np.ndarray, "model example"],
    reasons: tuple[str, ...],
    code: Int8[np.ndarray, "model example"],
    references: Int[np.ndarray, " model"],
) -> PerModelExample:
    """Scores, blank where `code` points to a reason."""
    values[code != 0] = np.nan
    return PerModelExample(values=values, references=references, reasons=reasons, reason_code=code, models=len(values))
