"""RMIA, the relative attack: is an example likelier under the target, beside other models, than others it never saw?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.errors import BadInput
from byrote.measures._by_group import by_group
from byrote.measures._references import FEW_IN_STRATUM, reference_counts, refuse_few, refuse_leaks, scores_of
from byrote.measures._strata import Stratum, names_of, strata_of
from byrote.measures._sums_by_pair import SumsByPair
from byrote.measures.catalog import Again, measure
from byrote.results import PerModelExample
from byrote.stats.jackknife import units

_SOURCE = "Zarifzadeh, Liu & Shokri 2024, arXiv:2312.03262"
_REASONS = (
    "",
    "no reference model was trained on it",
    "every reference model was trained on it",
    "a model's log-odds are not finite",
    "the target has no other non-member to compare with",
    FEW_IN_STRATUM,
)
#: Ratios are taken in blocks of examples of about this many cells, which stay in a processor's cache.
BLOCK_CELLS = 2**16
#: A probability this many nats below the largest that any model gives to the example counts as that.
FAINTEST = -700.0
Values = Float[np.ndarray, "model example"]
Member = Int8[np.ndarray, "model example"]
Pair = Int[np.ndarray, " model"]


def again(evidence: Mapping[str, np.ndarray]) -> Again | None:
    """The scores of `rmia` again without some pairs, or with members swapped, from sums by pair.

    For one stratum, and answers that are all finite, none of them fainter than is told apart.
    """
    log_odds, member, pair = evidence["log_odds"], evidence["member"], evidence["pair"]
    if len(names_of(strata_of(evidence["stratum"], member))) > 1 or not np.isfinite(log_odds).all():
        return None
    log_p = _log_probability(log_odds.astype(np.float64))
    log_p -= log_p.max(0)
    if log_p.min(initial=0.0) < FAINTEST:
        return None
    share = np.exp(log_p)
    sums = SumsByPair(member, pair, ((share,), (share,)))

    def scores(kept: np.ndarray, given: np.ndarray) -> np.ndarray:
        means, (own, number) = [], np.unique(sums.unit[kept], return_inverse=True)
        for side in (0, 1):
            count, total = sums.where(given).of(side, own)
            others = count.sum(0) - count
            means.append(_sum_of_others(total) / np.where(others > 0, others, np.nan))
        ratio = log_p[kept] - _online(means[1], means[0], np.zeros(1))[number]
        return _shares_of_targets(ratio, member[given][kept], 0.0)

    return scores


@measure(
    needs=("outputs.log_odds", "design.member", "design.pair", "design.stratum"),
    unit="share of non-members",
    range=(0.0, 1.0),
    higher="more likely a member",
    source=_SOURCE,
    section="3.3",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
    again=again,
)
def rmia(
    log_odds: Values, member: Member, pair: Pair, stratum: Stratum = None, *, gamma: float = 1.0
) -> PerModelExample:
    r"""Share of the target's non-members beside which the example is relatively likelier under the target.

    Formula:
        r[t, i] = log p[t, i] - log((mean_in p[., i] + mean_out p[., i]) / 2), p the probability of the label, means
        over the reference models (every model but the target t and its mate) with and without i;
        score[t, i] = share of the z != i that are not in t's training data with r[t, i] - r[t, z] > log gamma
    Undefined:
        nan where no reference model was trained on the example, or every one was, and without such a z.

    Example:
        >>> m = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.int8)
        >>> rmia(4.0 * m, m, np.repeat([0, 1, 2], 2)).values[1]
        array([0., 0., 1.])

    Differs:
        Public implementations fill a table of examples by comparisons; here they are sorted once a target. The
        mean over all references gives way to that of the two sides' means, the same where both sides are equally
        many. An example is not compared with itself. The z are half of the data, in half of the references each;
        the authors take a population outside all. Scores are multiples of 1 over the number of z, which is the
        lowest rate of false positives that the attack can be tuned to; they are not likelihood ratios of one example.
    """
    return _rmia(log_odds, member, pair, stratum, gamma, _online)


@measure(
    needs=("outputs.log_odds", "design.member", "design.pair", "design.stratum"),
    source=f"{_SOURCE} (offline)",
    variant_of="rmia",
    variant="offline",
)
def rmia_offline(
    log_odds: Values,
    member: Member,
    pair: Pair,
    stratum: Stratum = None,
    *,
    gamma: float = 1.0,
    a: float = 0.3,
) -> PerModelExample:
    r"""The relative attack without models that were trained on the example: what they would say is extrapolated.

    Formula:
        as `rmia`, with r[t, i] = log p[t, i] - log(((1 + a) mean_out p[., i] + 1 - a) / 2)
    Undefined:
        nan where every reference model was trained on the example, and without a z to compare with.

    Example:
        >>> m = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.int8)
        >>> rmia_offline(4.0 * m, m, np.repeat([0, 1, 2], 2)).values[1]
        array([0., 0., 1.])

    Differs:
        As `rmia`. The authors choose `a` by the AUC on a reference model; .3 is their default.
    """
    if not 0 <= a <= 1:
        raise BadInput(
            f"The 'a' argument of rmia_offline must be in [0, 1]. Got {a}.", hint="a=0.3 is the authors' default."
        )

    def expected(inside: np.ndarray, outside: np.ndarray, largest: np.ndarray) -> np.ndarray:
        beyond = np.log1p(-a) - largest if a < 1 else np.full_like(largest, -np.inf)
        with np.errstate(invalid="ignore"):  # no model without the example
            return np.asarray(np.logaddexp(np.log1p(a) + np.log(outside), beyond) - np.log(2))

    return _rmia(log_odds, member, pair, stratum, gamma, expected)


def rmia_of_groups(
    log_odds: Values,
    member: Member,
    pair: Pair,
    group: Int[np.ndarray, " example"],
    stratum: Stratum = None,
    *,
    gamma: float = 1.0,
) -> PerModelExample:
    """RMIA of whole groups, `group[example]` from 0: the ratios of a group's examples multiply.

    Formula:
        as `rmia`, with r[t, g] = sum of r[t, i] over the examples i of group g, and the groups z that are not in the
        target's training data; `member` is by example
    Undefined:
        nan where no example of the group has a ratio, and without such a z.
    """
    return _rmia(log_odds, member, pair, stratum, gamma, _online, group)


#: Mean probabilities with and without the example, as shares of the largest, and the logarithm of that: to the
#: logarithm of what a model is expected to say, as such a share.
Expected = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _online(inside: np.ndarray, outside: np.ndarray, largest: np.ndarray) -> np.ndarray:
    return np.asarray(np.log((inside + outside) / 2))


def _rmia(
    log_odds: np.ndarray,
    member: np.ndarray,
    pair: np.ndarray,
    stratum: Stratum,
    gamma: float,
    expected: Expected,
    group: np.ndarray | None = None,
) -> PerModelExample:
    if not gamma > 0:
        raise BadInput(
            f"The 'gamma' argument of rmia must be above 0. Got {gamma}.", hint="gamma=2 is the authors' default."
        )
    refuse_few(pair, "RMIA")
    refuse_leaks(member, pair, stratum)
    scores, code = _ratios(log_odds, member, pair, strata_of(stratum, member), expected)
    if group is not None:
        whole = by_group(np.where(code == 0, scores, np.nan), group, "sum")
        first = np.unique(group, return_index=True)[1]
        member, code = member[:, first], np.where(np.isnan(whole), code[:, first].clip(1), 0).astype(np.int8)
        scores = whole
    scores = _shares_of_targets(np.where(code == 0, scores, np.nan), member, np.log(gamma))
    code[(code == 0) & np.isnan(scores)] = 4
    return scores_of(scores, _REASONS, code, reference_counts(pair))


def _shares_of_targets(ratio: np.ndarray, member: np.ndarray, log_gamma: float) -> np.ndarray:
    """`_shares` of each target, NaN where the ratio is."""
    for row, membership in zip(ratio, member, strict=True):
        usable = ~np.isnan(row)
        some = slice(None) if usable.all() else np.flatnonzero(usable)
        row[some] = _shares(row[some], membership[some] == 0, log_gamma)
    return ratio


def _shares(ratio: np.ndarray, outside: np.ndarray, log_gamma: float) -> np.ndarray:
    """For each example the share of the other non-members that it exceeds by more than log gamma."""
    order = np.argsort(ratio)
    ordered, outside_in_order = ratio[order], outside[order]
    up_to = np.cumsum(outside_in_order)
    if log_gamma == 0 and not (ordered[1:] == ordered[:-1]).any():
        exceeded = up_to - outside_in_order
    else:
        exceeded = np.searchsorted(ordered[outside_in_order], ordered - log_gamma, side="left")
    if log_gamma < 0:
        exceeded -= outside_in_order  # itself
    others = (up_to[-1] if len(up_to) else 0) - outside_in_order
    share = np.empty(len(ratio))
    share[order] = exceeded / np.where(others > 0, others, np.nan)
    return share


def _ratios(
    log_odds: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: np.ndarray, expected: Expected
) -> tuple[np.ndarray, np.ndarray]:
    """r[t, i], and the code of the reason where it is undefined; in blocks of examples."""
    models, examples = log_odds.shape
    ratio, code = np.empty((models, examples)), np.empty((models, examples), np.int8)
    unit, names = units(pair), names_of(stratum)
    size = max(1, BLOCK_CELLS // models)
    for start in range(0, examples, size):
        block = slice(start, start + size)
        finite = np.isfinite(log_odds[:, block]).all(0)
        log_p = _log_probability(np.where(finite, log_odds[:, block], 0.0).astype(np.float64))
        largest = log_p.max(0)
        log_p -= largest
        share = np.exp(np.maximum(log_p, FAINTEST))
        for name in names:
            own = stratum[:, block] == name
            usual, why = _usual(share, member[:, block], own, largest, unit, expected, least=min(len(names), 2))
            known = np.where(finite, why, 3)
            if len(names) == 1:
                ratio[:, block], code[:, block] = log_p - usual[unit], known[unit]
            else:
                ratio[:, block] = np.where(own, log_p - usual[unit], ratio[:, block])
                code[:, block] = np.where(own, known[unit], code[:, block])
    return ratio, code


def _log_probability(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(log_odds, 0.0) - np.log1p(np.exp(-np.abs(log_odds))))


def _usual(
    share: np.ndarray,
    member: np.ndarray,
    own: np.ndarray,
    largest: np.ndarray,
    unit: np.ndarray,
    expected: Expected,
    *,
    least: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`[unit, example]`: what models of the stratum say beside a unit, and the code of the reason where it is unknown.

    Each side of the stratum must have `least` models.
    """
    means, counts = zip(*(_mean_without(share, (member == side) & own, unit) for side in (1, 0)), strict=True)
    inside, outside = (np.where(count >= least, mean, np.nan) for mean, count in zip(means, counts, strict=True))
    usual = expected(inside, outside, largest)
    unknown = np.isnan(usual)
    return usual, np.select([counts[1] == 0, unknown & (counts[0] == 0), unknown], [2, 1, 5], 0)


def _mean_without(share: np.ndarray, chosen: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[unit, example]`: mean over the chosen models of all other units, and their number.

    By sums alone, so that none cancels.
    """
    sums, counts = (np.zeros((unit.max() + 1, share.shape[1])) for _ in range(2))
    for own, values, picked in zip(unit, share, chosen, strict=True):
        sums[own] += values * picked
        counts[own] += picked
    without, count = _sum_of_others(sums), counts.sum(0) - counts
    return without / np.where(count > 0, count, np.nan), count


def _sum_of_others(sums: np.ndarray) -> np.ndarray:
    """Sum over all rows but one, from the sums before it and after it."""
    others = np.zeros_like(sums)
    others[1:] = np.cumsum(sums[:-1], axis=0)
    others[:-1] += np.cumsum(sums[:0:-1], axis=0)[::-1]
    return others
