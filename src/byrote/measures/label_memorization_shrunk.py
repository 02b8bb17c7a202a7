"""Label memorization from rates that are drawn to those of examples with like probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int8

from byrote.measures._strata import Stratum, one_sided, strata_of, subset_note
from byrote.measures._sums_by_cell import Sums, sums_by_cell
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.measures.label_memorization import label_memorization as label_memorization  # whose form this is
from byrote.results import PerExample
from byrote.stats.contrasts import contrast, contrast_of_intervals, too_few, weights
from byrote.stats.shrunk_rates import ends_of_rates, shrunk_rates


def _summed(
    correct: np.ndarray, probability: np.ndarray, member: np.ndarray, stratum: Stratum, part: np.ndarray | None = None
) -> Sums:
    rows = (np.stack([right, p]).astype(np.float64) for right, p in zip(correct, probability, strict=True))
    return sums_by_cell(rows, member, strata_of(stratum, member), part, quantities=2)


def _rates(count: np.ndarray, right: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Rates by stratum and side."""
    with np.errstate(invalid="ignore"):
        mean = probability / np.where(count > 0, count, np.nan)
    cells = np.ndindex(*count.shape[:2])
    return np.stack([shrunk_rates(right[cell], count[cell], mean[cell]) for cell in cells]).reshape(count.shape)


def _without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
    """Values with each part of the models left out, from sums."""
    correct, probability, member = (evidence[name] for name in ("correct", "probability", "member"))
    sums = _summed(correct, probability, member, evidence.get("stratum"), part).without_each
    return np.stack(
        [
            np.where(too_few(count), np.nan, contrast(_rates(count, right, mass), weights(count)))
            for count, right, mass in zip(sums.models, *sums.sums, strict=True)
        ]
    )


@measure(
    needs=("outputs.correct", "outputs.probability", "design.member", "design.stratum"),
    variant_of="label_memorization",
    variant="shrunk",
    by_example=False,
    without=_without,
)
def label_memorization_shrunk(
    correct: Bool[np.ndarray, "model example"],
    probability: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Label memorization from rates that are drawn to those of examples with like probabilities.

    Formula:
        m_i = sum over strata s of w_s (p_is1 - p_is0), p = (right + 8 f(q)) / (n + 8) of the n models of a stratum
        and side, q the mean probability that they give the label, and f the isotonic regression of right / n on q
        over the examples
    Undefined:
        nan where every model of known membership was trained on the example, or none was; of several strata, where
        one has fewer than 2 models on a side; where a probability is not finite.

    Example:
        >>> correct = np.array([[1, 1], [0, 1], [1, 1], [0, 1]], bool)
        >>> probability, member = np.where(correct, 0.9, 0.2), np.array([[1], [0], [1], [0]], np.int8).repeat(2, 1)
        >>> label_memorization_shrunk(correct, probability, member).values
        array([1., 0.])

    Differs:
        The source counts right answers, `label_memorization`. Here one assumption is added: that examples whose label
        gets more probability are predicted more often. It is drawn upon most with few models, and ever less with
        more. The error over all examples is that of about 1.4 times as many models at 16 and 1.3 times at 32;
        where memorization is above .25 it is that of 1.2 to 1.3 times as many. The curve is read off the same models,
        so that it follows their chance; intervals are therefore as wide as counts of that rate leave them, and say
        nothing of what is gained. They combine the intervals of the rates by Zou and Donner's method.
    """
    sums = _summed(correct, probability, member, stratum)
    count = sums.models[0]
    rate = _rates(count, *sums.sums[:, 0])
    value, interval = contrast_of_intervals(rate, *ends_of_rates(rate, count), weights(count))
    nonmembers, members = count.sum(0)
    return per_example(
        value,
        interval,
        [*one_sided(count), ("a model's probability is not finite", ~np.isfinite(value))],
        counts={"members": members, "nonmembers": nonmembers},
        models=len(member),
        note="; ".join(part for part in ("rates are drawn to those of like probability", subset_note(count)) if part),
    )
