"""Label memorization by margins: how far answers are right or wrong, where normal margins may be assumed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._strata import Stratum, one_sided, strata_of, subset_note
from byrote.measures._sums_by_cell import Sums, sums_by_cell
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.measures.label_memorization import label_memorization as label_memorization  # whose form this is
from byrote.results import PerExample
from byrote.stats.contrasts import contrast, too_few, weights
from byrote.stats.normal_rates import LEAST_ERROR, NormalRates, normal_rates, score_and_rate

#: From so many models a side on, an error of the form above LEAST_ERROR says that margins are not normal.
CHECKED_FROM = 8


def _summed(
    margin: np.ndarray, member: np.ndarray, stratum: Stratum, part: np.ndarray | None = None
) -> tuple[np.ndarray, Sums]:
    """The middle of each example's margins, and sums of what differs from it, of its squares, and of right answers."""
    with np.errstate(invalid="ignore", over="ignore"):
        centre = margin.mean(0, dtype=np.float64) if len(margin) else np.zeros(margin.shape[1])
        moved = ((row - centre, row) for row in margin.astype(np.float64, copy=False))
        rows = (np.stack([away, away**2, row > 0]) for away, row in moved)
        return centre, sums_by_cell(rows, member, strata_of(stratum, member), part, quantities=3)


def _moments(centre: np.ndarray, sums: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, means and sample variances."""
    count = np.where(sums.models > 0, sums.models, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        away = sums.sums[0] / count
        squares = np.maximum(sums.sums[1] - count * away**2, 0.0)
        return sums.models, centre + away, squares / np.where(sums.models > 1, count - 1, np.nan)


def _without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
    """Values with each part of the models left out, from sums."""
    centre, sums = _summed(evidence["logit_margin"], evidence["member"], evidence.get("stratum"), part)
    count, mean, variance = _moments(centre, sums.without_each)
    _, rate = score_and_rate(count, mean, variance)
    return np.stack(
        [
            np.where(too_few(models) | _one_alone(models), np.nan, contrast(one, weights(models)))
            for one, models in zip(rate, count, strict=True)
        ]
    )


def _one_alone(models: Int[np.ndarray, "stratum side example"]) -> Bool[np.ndarray, " example"]:
    alone: np.ndarray = (models.sum(0) < 2).any(0)
    return alone


@measure(
    needs=("outputs.logit_margin", "design.member", "design.stratum"),
    variant_of="label_memorization",
    variant="margin",
    by_example=False,
    without=_without,
)
def label_memorization_margin(
    logit_margin: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Label memorization from how clearly models are right or wrong, which takes fewer models; normal margins assumed.

    Formula:
        m_i = sum over strata s of w_s (p_is1 - p_is0), p = Phi(z / sqrt(1 - 1/n)) of the n models of a stratum and
        side, z = mean / s of their margins, the label's logit less the largest other one;
        s^2 = (4 s0^2 + (n - 1) v) / (n + 3), v their sample variance and s0^2 the median of v / (1 - 2/9(n - 1))^3
        over the examples
    Undefined:
        nan where fewer than 2 models were trained on the example, or fewer than 2 were not; of several strata, where
        one has fewer than 2 models on a side; where a margin is not finite.

    Example:
        >>> margin, member = np.array([[2.0], [-1.0], [4.0], [1.0]]), np.array([[1], [0], [1], [0]], np.int8)
        >>> label_memorization_margin(margin, member).values.round(3)
        array([0.485])

    Differs:
        The source counts right answers, `label_memorization`. How far the margins are from 0 tells more of a rate
        than how many are above, if they are normal: at a rate of one half as much as 1.57 times as many models.
        The measure checks itself: rates by this form are compared with those by counts, and what chance
        does not explain is the error of the form, which intervals contain. The note states it, and says where it is
        too large for normal margins. Margins of two modes, one right and one wrong, give nearly the rates of counts,
        but their counts scatter less at a given mean and spread. So the scatter is compared with that of normal
        margins, and where two modes are seen, or too few examples are there to exclude them, no interval is shorter
        than that of `label_memorization`. Where two modes are excluded over all examples, single examples may still
        have them; so where all n models are right, the interval of the rate reaches down to .1^(1/(n + 1)) at least,
        which is the lower 90 % limit of a rate that is uniform before; and as far up where all are wrong. Intervals
        combine those of the rates by Zou and Donner's method, and their length gives the error.
        On digits with wrong labels, against 512 other models, the error (root mean square) above .25 was .16 instead
        of .19 with 16 models, and .087 instead of .097 with 64; intervals covered .93 or better at every level.
    """
    centre, sums = _summed(logit_margin, member, stratum)
    count, mean, variance = (of[0] for of in _moments(centre, sums))
    found = normal_rates(count, mean, variance, sums.sums[2, 0])
    value, interval = found.contrast(weights(count))
    nonmembers, members = count.sum(0)
    return per_example(
        value,
        interval,
        [
            *one_sided(count),
            ("fewer than 2 models were trained on it, or fewer than 2 were not", _one_alone(count)),
            ("a model's margin is not finite", ~np.isfinite(value)),
        ],
        counts={"members": members, "nonmembers": nonmembers},
        models=len(member),
        note="; ".join(part for part in (_self_check(found, count), subset_note(count)) if part),
    )


def _self_check(found: NormalRates, count: np.ndarray) -> str:
    """What the form is worth here, in rates of one half, and whether margins have two modes."""
    off = f"rates by this form and by counts differ by {found.error / 2:.3f} beyond chance (root mean square at .5)"
    at_least = "intervals are at least as long as those of label_memorization"
    if found.scatter.two_modes:
        share = f"right answers scatter {found.scatter.share:.2f} times as much as those of normal margins"
        return f"margins are not normal here: they have two modes ({share}); {at_least}"
    if np.median(count.sum(0)) >= CHECKED_FROM and found.error > LEAST_ERROR:
        return f"margins are not normal here: {off}; label_memorization counts instead"
    if not found.one_mode:
        return f"margins are taken as normal; too few examples exclude two modes: {at_least}; {off}"
    return f"margins are taken as normal; {off}"
