"""Every model takes its turn as an attack's target; the others, without its mate, are the attacker's references."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.errors import TooFewModels
from byrote.results import PerModelExample
from byrote.stats.moments import Moments

#: A spread below this share of the values' size is rounding of the float32 in which they are recorded.
RESOLUTION = 1e-6
#: Fewer examples than this may share one number of members by chance.
BALANCED_FROM = 20
LEAST_REFERENCES = 4
SIDES = (1, 0)


def left_out(pair: Int[np.ndarray, " model"]) -> list[np.ndarray]:
    """For each target the models that are no references for it: itself and its mate.

    Example:
        >>> left_out(np.array([3, -1, 3]))
        [array([0, 2]), array([1]), array([0, 2])]
    """
    own = np.arange(len(pair))
    return [np.flatnonzero((own == k) | ((pair == pair[k]) & (pair[k] >= 0))) for k in own]


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


def refuse_leaks(member: Int8[np.ndarray, "model example"], pair: Int[np.ndarray, " model"]) -> None:
    """Refuse a design in which the references give the target's membership away.

    Where every example is in the same number of models and mates are unknown, the references that are left hold
    one member too few exactly if the target was trained on the example.

    Raises:
        TooFewModels: the design is such a one.
    """
    member = member[:, (member >= 0).any(0)]  # of what nobody knows there is nothing to give away
    models, examples = member.shape
    inside, known = (member == 1).sum(0), (member >= 0).sum(0)
    balanced = examples >= BALANCED_FROM and np.ptp(inside) == 0 and np.ptp(known) == 0
    every_mate_known = all(len(gone) > 1 for gone in left_out(pair))
    if every_mate_known or not balanced or not 0 < inside[0] < known[0]:
        return
    raise TooFewModels(
        f"Every example is in exactly {inside[0]} of {models} models and no pairs are known, so that the models left "
        "as references would give away what each target was trained on.",
        hint="name the pairs of complementary models, or draw members independently, as iid_subsets and coins do.",
    )


class References:
    """Moments of a quantity over the members and the non-members of each example, without a target and its mate.

    Sums are taken of deviations from each side's own mean, so that taking a model out costs no digits.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "model example"],
        member: Int8[np.ndarray, "model example"],
        pair: Int[np.ndarray, " model"],
    ) -> None:
        finite = np.isfinite(values)
        self.finite = finite.all(0)
        self.values = values if self.finite.all() else np.where(finite, values, np.nan)
        self.member = member
        self.left_out = left_out(pair)
        examples = values.shape[1]
        # identical values stay identical: their mid-range is the value itself
        middle = (self.values.min(0).astype(np.float64) + self.values.max(0)) / 2
        self.count = {side: np.zeros(examples, np.int64) for side in SIDES}
        self.centre = dict.fromkeys(SIDES, middle)
        shift = {side: np.zeros(examples) for side in SIDES}
        for model in range(len(values)):
            for side in SIDES:
                deviation, chosen = self._deviation(model, side)
                self.count[side] += chosen
                shift[side] += deviation
        self.centre = {side: middle + shift[side] / np.maximum(self.count[side], 1) for side in SIDES}
        self.sum = {side: np.zeros(examples) for side in SIDES}
        self.squares = {side: np.zeros(examples) for side in SIDES}
        for model in range(len(values)):
            for side in SIDES:
                deviation, _ = self._deviation(model, side)
                self.sum[side] += deviation
                self.squares[side] += deviation**2

    def _deviation(self, model: int, side: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.member[model] == side
        return np.where(chosen, self.values[model] - self.centre[side], 0.0), chosen

    def without(self, target: int, side: int) -> Moments:
        """Moments of one side (1 members, 0 non-members) over the target's references; the mean is NaN without any."""
        count, total, squares = self.count[side].copy(), self.sum[side].copy(), self.squares[side].copy()
        for model in self.left_out[target].tolist():
            deviation, chosen = self._deviation(model, side)
            count -= chosen
            total -= deviation
            squares -= deviation**2
        mean = total / np.where(count, count, np.nan)
        around = np.maximum(squares - np.where(count > 0, mean, 0.0) * total, 0.0)
        return Moments(count, self.centre[side] + mean, around)

    def smallest_variance(self) -> Float[np.ndarray, " example"]:
        """The variance that rounding of the recorded values alone would make."""
        size = np.maximum(np.abs(self.centre[1]), np.abs(self.centre[0]))
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
