"""What training on an example changes: a quantity in the models that had it, minus the same in those that had not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.special import stdtrit

from byrote.measures._strata import Stratum, chosen_by_cell, names_of, one_sided, strata_of, subset_note
from byrote.measures.assemble import per_example
from byrote.results import PerExample
from byrote.stats.contrasts import added, around, contrast, divisor, weights
from byrote.stats.intervals import UPPER, Bounds, Interval, paired_mean, welch
from byrote.stats.jackknife import units
from byrote.stats.moments import Moments, RunningMoments, means_without


def in_minus_out(
    values: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
    *,
    bounds: Bounds,
    what: str,
    undefined: Sequence[tuple[str, Bool[np.ndarray, " example"]]] = (),
) -> PerExample:
    """Mean over pairs of the differences between the mate that had an example and the one that had not.

    In any other design, and where a pair has an example in both mates, it is the difference of the means over all
    models of known membership, taken as independent. Of several strata it is the difference within each, averaged as
    `stats.contrasts` does; mates are then of different strata, and count together in the error alone. `bounds` are
    those of the quantity, which `what` names.
    """
    if len(names_of(strata_of(stratum, member))) > 1:
        return _within_strata(values, member, pair, strata_of(stratum, member), bounds, what, undefined)
    sides = _running(values, member)
    inside, outside = sides[1].result(), sides[0].result()
    difference = inside.mean - outside.mean
    error = welch(inside, outside, bounds=bounds)
    enough = (inside.count > 1) & (outside.count > 1)
    counts = {"members": inside.count, "nonmembers": outside.count}
    count = np.stack([outside.count, inside.count])[None]

    mates = _mates(pair)
    if len(mates):
        differences, mean_in, mean_out, paired = _pair_moments(values, member, mates)
        of_pairs = paired_mean(differences, mean_in, mean_out, bounds=bounds)
        difference = np.where(paired, differences.mean, difference)
        enough = np.where(paired, differences.count > 1, enough)
        error = Interval(
            np.where(paired, of_pairs.stderr, error.stderr),
            np.where(paired, of_pairs.low, error.low),
            np.where(paired, of_pairs.high, error.high),
        )
        counts["pairs"] = differences.count
    return per_example(
        difference,
        error,
        [
            *undefined,
            *one_sided(count),
            ("fewer than 2 pairs, or 2 models a side, to compare", ~enough),
            (f"a model's {what} is not finite", ~np.isfinite(difference)),
        ],
        counts=counts,
        models=len(member),
        note=subset_note(count),
    )


def differences_without(
    values: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: Stratum, part: np.ndarray
) -> np.ndarray | None:
    """The values of `in_minus_out` with each part left out, of a design of complementary pairs in one stratum.

    None of any other.
    """
    mates = _mates(pair)
    if (
        len(names_of(strata_of(stratum, member))) > 1
        or not len(mates)
        or (part[mates[:, 0]] != part[mates[:, 1]]).any()
    ):
        return None
    first_in, split = (
        member[mates[:, 0]] == 1,
        (member[mates] >= 0).all(1) & (member[mates[:, 0]] != member[mates[:, 1]]),
    )
    if ((member[mates] == 1).all(1)).any():
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        rows = (
            np.where(first, values[one], values[other]).astype(np.float64)
            - np.where(first, values[other], values[one]).astype(np.float64)
            for first, (one, other) in zip(first_in, mates, strict=True)
        )
        found = means_without(rows, split, part[mates[:, 0]])
    of_part = (part[mates[:, 0]] == np.arange(int(part.max()) + 1)[:, None]).astype(np.int64)
    enough = split.sum(0) - of_part @ split > 1
    return np.where(enough & np.isfinite(found), found, np.nan)


def _within_strata(
    values: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: np.ndarray,
    bounds: Bounds,
    what: str,
    undefined: Sequence[tuple[str, np.ndarray]],
) -> PerExample:
    """The difference within each stratum, averaged over the strata."""
    count, mean = _means_by_cell(values, member, stratum)
    value = contrast(mean, weights(count))
    finite = np.isfinite(bounds).all()
    error = (_bounded if finite else _unbounded)(values, member, pair, stratum, count, mean, bounds)
    nonmembers, members = count.sum(0)
    return per_example(
        value,
        error,
        [*undefined, *one_sided(count), (f"a model's {what} is not finite", ~np.isfinite(value))],
        counts={"members": members, "nonmembers": nonmembers},
        models=len(member),
        note=subset_note(count),
    )


def _means_by_cell(values: np.ndarray, member: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = np.zeros((len(names_of(stratum)), 2, member.shape[1]), np.int64)
    total = np.zeros(count.shape)
    for model, cells in chosen_by_cell(member, stratum):
        for cell, chosen in cells:
            count[cell] += chosen
            total[cell] += np.where(chosen, values[model], 0.0)
    return count, total / np.where(count > 0, count, np.nan)


def _scatter(
    values: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: np.ndarray,
    mean: np.ndarray,
    coefficient: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the sum of coefficient x deviation from the cell's mean, mates taken together; and how many units."""
    unit = units(pair)
    moved = np.zeros((int(unit.max(initial=-1)) + 1, member.shape[1]))
    counted = np.zeros(moved.shape, bool)
    for model, cells in chosen_by_cell(member, stratum):
        for cell, chosen in cells:
            sign = 1.0 if cell[1] else -1.0
            moved[unit[model]] += np.where(chosen, sign * coefficient[cell] * (values[model] - mean[cell]), 0.0)
            counted[unit[model]] |= chosen
    return (moved**2).sum(0), counted.sum(0)


def _bounded(
    values: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: np.ndarray,
    count: np.ndarray,
    mean: np.ndarray,
    bounds: Bounds,
) -> Interval:
    """As `stats.intervals.paired_mean`: values at both bounds are added to each cell, 2 over the number of cells."""
    width, more, weight = bounds[1] - bounds[0], added(count), weights(count)
    unit_mean = np.clip((mean - bounds[0]) / width, 0.0, 1.0)
    rate = (unit_mean * count + more) / (count + 2 * more)
    of_added = count * (unit_mean - rate) ** 2 + more * (rate**2 + (1 - rate) ** 2)
    variance = np.where(weight > 0, weight**2 * (of_added / ((count + 2 * more) * divisor(count))).sum(1), 0.0).sum(0)
    coefficient = weight[:, None] / np.sqrt((count + 2 * more) * divisor(count)) / width
    scatter, _ = _scatter(values, member, pair, stratum, mean, coefficient)
    interval = around(contrast(mean, weight) / width, contrast(rate, weight), np.sqrt(variance + scatter))
    return Interval(interval.stderr * width, interval.low * width, interval.high * width)


def _unbounded(
    values: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: np.ndarray,
    count: np.ndarray,
    mean: np.ndarray,
    bounds: Bounds,
) -> Interval:
    """Student's over pairs, or models without a mate; nan where all values of the cells agree."""
    weight = weights(count)
    coefficient = weight[:, None] / np.sqrt(np.maximum(count * (count - 1.0), 1.0))
    variance, number = _scatter(values, member, pair, stratum, mean, coefficient)
    value, degrees = contrast(mean, weight), np.maximum(number - 2 * (count.sum(1) > 0).sum(0), 1)
    stderr = np.where(variance > 0, np.sqrt(variance), np.nan)
    reach = stdtrit(degrees, UPPER) * stderr
    return Interval(stderr, value - reach, value + reach)


def _running(values: np.ndarray, member: np.ndarray) -> tuple[RunningMoments, RunningMoments]:
    sides = RunningMoments(member.shape[1]), RunningMoments(member.shape[1])
    for row, membership in zip(values, member, strict=True):
        for side in (0, 1):
            sides[side].add(row, membership == side)
    return sides


def _pair_moments(
    values: np.ndarray, member: np.ndarray, mates: np.ndarray
) -> tuple[Moments, np.ndarray, np.ndarray, np.ndarray]:
    """Moments of the differences in - out, the means of both sides, and whether no pair has both mates in."""
    differences, inside, outside = (RunningMoments(values.shape[1]) for _ in range(3))
    never_both = np.ones(values.shape[1], bool)
    for one, other in mates:
        first_in, second_in = member[one] == 1, member[other] == 1
        split = (first_in & (member[other] == 0)) | (second_in & (member[one] == 0))
        row_in = np.where(first_in, values[one], values[other]).astype(np.float64)
        row_out = np.where(first_in, values[other], values[one]).astype(np.float64)
        differences.add(row_in - row_out, split)
        inside.add(row_in, split)
        outside.add(row_out, split)
        never_both &= ~(first_in & second_in)
    return differences.result(), inside.result().mean, outside.result().mean, never_both


def _mates(pair: np.ndarray) -> np.ndarray:
    """Row of two model numbers per pair; no row unless every model has exactly one mate."""
    _, sizes = np.unique(pair, return_counts=True)
    if (pair < 0).any() or (sizes != 2).any():
        return np.empty((0, 2), np.int64)
    return np.argsort(pair, kind="stable").reshape(-1, 2)
