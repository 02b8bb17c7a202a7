"""Every model takes its turn as an attack's target; the others, without its mate, are the attacker's references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.errors import TooFewModels
from byrote.measures._strata import Stratum, names_of, strata_of
from byrote.results import PerModelExample
from byrote.stats.contrasts import LEAST_A_SIDE
from byrote.stats.jackknife import units
from byrote.stats.moments import Moments

#: A spread below this share of the values' size is rounding of the float32 in which they are recorded.
RESOLUTION = 1e-6
#: Fewer examples than this may share one number of members by chance.
BALANCED_FROM = 20
LEAST_REFERENCES = 4
SIDES = (1, 0)
#: About so many (model, example) cells are worked on at a time, which stay in a processor's cache.
BLOCK_CELLS = 2**15
FEW_IN_STRATUM = "fewer than 2 reference models a side in the target's stratum; it takes more models"


def left_out(pair: Int[np.ndarray, " model"]) -> list[np.ndarray]:
    """For each target the models that are no references for it: itself and its mate.

    Example:
        >>> left_out(np.array([3, -1, 3]))
        [array([0, 2]), array([1]), array([0, 2])]
    """
    unit = units(pair)
    of_unit = np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit))[:-1])
    return [of_unit[own] for own in unit.tolist()]


def reference_counts(pair: Int[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """How many models an attacker on each target has."""
    unit = units(pair)
    counts: np.ndarray = len(pair) - np.bincount(unit)[unit]
    return counts


def refuse_few(pair: Int[np.ndarray, " model"], attack: str) -> None:
    """Refuse to attack with too few references.

    Raises:
        TooFewModels: a target would have fewer than 4 of them.
    """
    least = int(reference_counts(pair).min(initial=len(pair)))
    if least < LEAST_REFERENCES:
        raise TooFewModels(
            f"{attack} needs at least {LEAST_REFERENCES} reference models, apart from a target and the other "
            f"model of its pair. Got {least}.",
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
    if (reference_counts(pair) < len(pair) - 1).all():
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
        for cell, block, chosen in self._cells():
            self.count[cell][block] = chosen.sum(0)
            shift[cell][block] = self._deviation(slice(None), cell, chosen, block).sum(0)
        self.centre = middle + shift / np.maximum(self.count, 1)
        self.sum, self.squares = np.zeros(shape), np.zeros(shape)
        for cell, block, chosen in self._cells():
            deviation = self._deviation(slice(None), cell, chosen, block)
            self.sum[cell][block] = deviation.sum(0)
            deviation *= deviation
            self.squares[cell][block] = deviation.sum(0)

    def targets_alike(self) -> Iterator[Int[np.ndarray, "unit mate"]]:
        """The targets in rows; those of a row have the same references, so the same moments. A few rows at a time."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for target, gone in enumerate(self.left_out):
            key = tuple(gone.tolist())
            alike.setdefault(key if len(self.names) == 1 else (target, *key), []).append(target)
        size = max(1, BLOCK_CELLS // max(self.member.shape[1], 1))
        for shape in sorted({(len(row), len(key)) for key, row in alike.items()}):
            rows = np.array([row for key, row in alike.items() if (len(row), len(key)) == shape], np.int64)
            yield from (rows[start : start + size] for start in range(0, len(rows), size))

    def without(self, targets: Int[np.ndarray, " target"], side: int) -> Moments:
        """Moments of one side (1 members, 0 non-members) over each target's references; the mean is NaN without any."""
        found = self._in_stratum(0, targets, side)
        for place, name in enumerate(self.names[1:], start=1):
            own, other = self.stratum[targets] == name, self._in_stratum(place, targets, side)
            each = ((getattr(other, of), getattr(found, of)) for of in ("count", "mean", "squares"))
            found = Moments(*(np.where(own, new, old) for new, old in each))
        return found

    def _cells(self) -> Iterator[tuple[tuple[int, int], slice, np.ndarray]]:
        """The cells in blocks of examples, and which models of the block are in the cell."""
        models, examples = self.member.shape
        size = max(1, BLOCK_CELLS // max(models, 1))
        for block in (slice(start, start + size) for start in range(0, examples, size)):
            for place in range(len(self.names)):
                for side in SIDES:
                    yield (place, side), block, self._chosen(slice(None), (place, side), block)

    def _chosen(self, models: np.ndarray | slice, cell: tuple[int, int], block: slice = slice(None)) -> np.ndarray:
        chosen: np.ndarray = self.member[models, block] == cell[1]
        return chosen if len(self.names) == 1 else chosen & (self.stratum[models, block] == self.names[cell[0]])

    def _deviation(
        self, models: np.ndarray | slice, cell: tuple[int, int], chosen: np.ndarray, block: slice = slice(None)
    ) -> np.ndarray:
        deviation: np.ndarray = self.values[models, block] - self.centre[cell][block]
        deviation *= chosen
        return deviation

    def _in_stratum(self, place: int, targets: np.ndarray, side: int) -> Moments:
        cell, shape = (place, side), (len(targets), self.member.shape[1])
        gone, sums, squares = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
        for models in np.array([self.left_out[target] for target in targets]).T:
            chosen = self._chosen(models, cell)
            deviation = self._deviation(models, cell, chosen)
            gone += chosen
            sums += deviation
            deviation *= deviation
            squares += deviation
        count, total = self.count[cell] - gone, self.sum[cell] - sums
        mean = total / np.maximum(count, 1)
        around = np.maximum(self.squares[cell] - squares - mean * total, 0.0)
        mean[count == 0] = np.nan
        return Moments(count, self.centre[cell] + mean, around)

    def too_few(
        self, targets: Int[np.ndarray, " target"], sides: Sequence[int] = SIDES
    ) -> Bool[np.ndarray, "target example"]:
        """Whether a target's stratum of an example, of several, has fewer than 2 references on one of the sides."""
        if len(self.names) == 1:
            return np.zeros((len(targets), self.member.shape[1]), bool)
        fewest = np.min([self.without(targets, side).count for side in sides], axis=0)
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
