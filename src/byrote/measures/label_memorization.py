"""Label memorization: what an example's own presence does to its label's predictability."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._assemble import per_example
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.intervals import Interval, agresti_caffo, paired_mean, welch
from byrote.stats.moments import Moments, RunningMoments

_SOURCE = "Feldman & Zhang 2020, arXiv:2008.03703, eq. 1"


@measure(
    needs=("outputs.correct", "design.member"),
    unit="probability",
    range=(-1.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.1",
    domain="generalization",
    level="example",
    evaluation="differential",
    by_example=True,
)
def label_memorization(
    correct: Bool[np.ndarray, "model example"], member: Int8[np.ndarray, "model example"]
) -> PerExample:
    r"""How much more often an example's label is predicted by the models trained on it than by the others.

    Formula:
        m_i = mean(correct[k, i] : member[k, i] = 1) - mean(correct[k, i] : member[k, i] = 0)
    Undefined:
        nan where every model of known membership was trained on the example, or none was.

    Example:
        >>> c = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool)
        >>> m = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], np.int8)
        >>> label_memorization(c, m).values
        array([ 1., nan])

    Differs:
        The authors' code guards the division with a small constant and so gives -p_out or p_in where an
        example is in no model or in every one. The value holds at the size of the subsets trained on, which
        the note states; it is not the leave-one-out difference at full size. Intervals are those of Agresti
        and Caffo, which take the two rates as independent.
    """
    right = {side: np.zeros(member.shape[1], np.int64) for side in (1, 0)}
    trials = {side: np.zeros(member.shape[1], np.int64) for side in (1, 0)}
    for answers, membership in zip(correct, member, strict=True):
        for side in (1, 0):
            chosen = membership == side
            trials[side] += chosen
            right[side] += answers & chosen
    with np.errstate(invalid="ignore"):
        values = right[1] / np.where(trials[1], trials[1], np.nan)
        values -= right[0] / np.where(trials[0], trials[0], np.nan)
    return per_example(
        values,
        agresti_caffo(right[1], trials[1], right[0], trials[0]),
        _one_sided(trials[1], trials[0]),
        counts={"members": trials[1], "nonmembers": trials[0]},
        models=len(member),
        note=_subset_note(trials[1], trials[0]),
    )


@measure(
    needs=("outputs.probability", "design.member", "design.pair"),
    unit="probability",
    range=(-1.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.1",
    domain="generalization",
    level="example",
    evaluation="differential",
    by_example=True,
    variant_of="label_memorization",
    variant="probability",
)
def label_memorization_probability(
    probability: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> PerExample:
    r"""How much more probability an example's label gets from the models trained on it than from the others.

    Formula:
        m_i = mean(probability[k, i] : member[k, i] = 1) - mean(probability[k, i] : member[k, i] = 0);
        in a design of pairs, over the pairs that have i in one mate and not in the other, with the error of
        the mean of their differences; in any other design, and where a pair has i in both mates, over all
        models of known membership, with Welch's error
    Undefined:
        nan where an example is in every model or in none, or with fewer than 2 such pairs or 2 models a side.

    Example:
        >>> p = np.array([[0.9], [0.2], [0.7], [0.1]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> label_memorization_probability(p, m, np.array([0, 0, 1, 1])).values
        array([0.65])

    Differs:
        The source counts correct predictions; the probability of the label moves before the prediction does.
        An example that is in every model or in none is nan, and the value holds at the size of the subsets.
        Its interval is nominal where the probabilities vary around one value. Where a model is right or wrong by
        chance, few pairs may miss the rare outcome, and it is too narrow: simulated coverage .4 to .6 where one
        model in fifty differs, .82 to .91 on digits. The 0/1 form holds there; take its interval.
    """
    sides = _running(probability, member)
    inside, outside = sides[1].result(), sides[0].result()
    values = inside.mean - outside.mean
    error = welch(inside, outside, bounds=(0.0, 1.0))
    enough = (inside.count > 1) & (outside.count > 1)
    counts = {"members": inside.count, "nonmembers": outside.count}

    mates = _mates(pair)
    if len(mates):
        differences, mean_in, mean_out, paired = _pair_moments(probability, member, mates)
        of_pairs = paired_mean(differences, mean_in, mean_out, bounds=(0.0, 1.0))
        values = np.where(paired, differences.mean, values)
        enough = np.where(paired, differences.count > 1, enough)
        error = Interval(
            np.where(paired, of_pairs.stderr, error.stderr),
            np.where(paired, of_pairs.low, error.low),
            np.where(paired, of_pairs.high, error.high),
        )
        counts["pairs"] = differences.count
    return per_example(
        values,
        error,
        [
            *_one_sided(inside.count, outside.count),
            ("fewer than 2 pairs, or 2 models a side, to compare", ~enough),
            ("a model's probability is not finite", ~np.isfinite(values)),
        ],
        counts=counts,
        models=len(member),
        note=_subset_note(inside.count, outside.count),
    )


def _running(probability: np.ndarray, member: np.ndarray) -> tuple[RunningMoments, RunningMoments]:
    sides = RunningMoments(member.shape[1]), RunningMoments(member.shape[1])
    for row, membership in zip(probability, member, strict=True):
        for side in (0, 1):
            sides[side].add(row, membership == side)
    return sides


def _pair_moments(
    probability: np.ndarray, member: np.ndarray, mates: np.ndarray
) -> tuple[Moments, np.ndarray, np.ndarray, np.ndarray]:
    """Moments of the differences in - out, the means of both sides, and whether no pair has both mates in."""
    differences, inside, outside = (RunningMoments(probability.shape[1]) for _ in range(3))
    never_both = np.ones(probability.shape[1], bool)
    for one, other in mates:
        first_in, second_in = member[one] == 1, member[other] == 1
        split = (first_in & (member[other] == 0)) | (second_in & (member[one] == 0))
        row_in = np.where(first_in, probability[one], probability[other]).astype(np.float64)
        row_out = np.where(first_in, probability[other], probability[one]).astype(np.float64)
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


def _one_sided(members: np.ndarray, nonmembers: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [
        ("its membership is known in no model", (members == 0) & (nonmembers == 0)),
        ("every model was trained on it", nonmembers == 0),
        ("no model was trained on it", members == 0),
    ]


def _subset_note(members: np.ndarray, nonmembers: np.ndarray) -> str:
    known = int(members.sum() + nonmembers.sum())
    if not known:
        return ""
    return (
        f"measured with models trained on {members.sum() / known:.0%} of the examples, "
        "not by leaving one example out of all"
    )
