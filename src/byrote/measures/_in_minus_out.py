"""What training on an example changes: a quantity in the models that had it, minus the same in those that had not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._assemble import per_example
from byrote.results import PerExample
from byrote.stats.intervals import Bounds, Interval, paired_mean, welch
from byrote.stats.moments import Moments, RunningMoments


def in_minus_out(
    values: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    *,
    bounds: Bounds,
    what: str,
    undefined: Sequence[tuple[str, Bool[np.ndarray, " example"]]] = (),
) -> PerExample:
    """Mean over pairs of the differences between the mate that had an example and the one that had not.

    In any other design, and where a pair has an example in both mates, it is the difference of the means over all
    models of known membership, taken as independent. `bounds` are those of the quantity, which `what` names.
    """
    sides = _running(values, member)
    inside, outside = sides[1].result(), sides[0].result()
    difference = inside.mean - outside.mean
    error = welch(inside, outside, bounds=bounds)
    enough = (inside.count > 1) & (outside.count > 1)
    counts = {"members": inside.count, "nonmembers": outside.count}

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
            *one_sided(inside.count, outside.count),
            ("fewer than 2 pairs, or 2 models a side, to compare", ~enough),
            (f"a model's {what} is not finite", ~np.isfinite(difference)),
        ],
        counts=counts,
        models=len(member),
        note=subset_note(inside.count, outside.count),
    )


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
    """Row of two model numbers a pair; no row unless every model has exactly one mate."""
    _, sizes = np.unique(pair, return_counts=True)
    if (pair < 0).any() or (sizes != 2).any():
        return np.empty((0, 2), np.int64)
    return np.argsort(pair, kind="stable").reshape(-1, 2)


def one_sided(members: np.ndarray, nonmembers: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The reasons of examples that only one side has models of."""
    return [
        ("its membership is known in no model", (members == 0) & (nonmembers == 0)),
        ("every model was trained on it", nonmembers == 0),
        ("no model was trained on it", members == 0),
    ]


def subset_note(members: np.ndarray, nonmembers: np.ndarray) -> str:
    """What a difference between halves is no measure of."""
    known = int(members.sum() + nonmembers.sum())
    if not known:
        return ""
    return (
        f"measured with models trained on {members.sum() / known:.0%} of the examples, "
        "not by leaving one example out of all"
    )
