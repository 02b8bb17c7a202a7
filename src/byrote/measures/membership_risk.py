"""Membership risk: how surely an attacker tells, of one example, the models that trained on it from the others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.special import ndtri
from scipy.stats import rankdata

from byrote.measures._strata import Stratum, names_of, strata_of
from byrote.measures.assemble import per_example
from byrote.measures.catalog import measure
from byrote.results import PerExample
from byrote.stats.contrasts import too_few
from byrote.stats.intervals import UPPER, Interval, adjusted_rate
from byrote.stats.jackknife import units

LEAST_MODELS = 4
_HALVINGS = 50


def _of_log_odds(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return _risk_of(evidence["log_odds"], evidence, part)


def _risk_of(values: np.ndarray, evidence: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray | None:
    return risk_without(values, evidence["member"], evidence["pair"], evidence["stratum"], part)


def _of_errors(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return _risk_of(-evidence["absolute_error"], evidence, part)


@measure(
    needs=("outputs.log_odds", "design.member", "design.pair", "design.stratum"),
    unit="probability",
    range=(0.0, 1.0),
    higher="easier to recognise as a member",
    source="Carlini et al. 2022, arXiv:2112.03570; interval: Newcombe 2006, Stat. Med. 25(4), method 5",
    section="5.1",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=True,
    without=_of_log_odds,
)
def membership_risk(
    log_odds: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Chance that a model trained on the example is surer of its label than one that was not; .5 is no risk.

    Formula:
        mean over models k with i and l without it, of its stratum and mates of each other aside, of
        1[x[k, i] > x[l, i]] + 1/2 1[x[k, i] = x[l, i]], x the log-odds; its interval has the variance that Hanley
        & McNeil give it at each of its ends, times the ratio, where above 1, of the variance that its models' shares
        in it show with mates taken together to what they show each alone
    Undefined:
        nan with fewer than 4 models on a side; of several strata, with fewer than 2 on a side of one.

    Example:
        >>> m = np.array([[1], [0], [1], [0], [1], [0], [1], [0]], np.int8)
        >>> x = np.array([[3.0], [1.0], [2.0], [0.0], [0.5], [-1.0], [4.0], [-2.0]])
        >>> membership_risk(x, m, np.repeat([0, 1, 2, 3], 2)).values.round(3)
        array([0.917])

    Differs:
        Within an example LiRA's score with equal variances rises with the log-odds, the direction being known:
        training on an example makes a model surer of it. Scores of different targets, each with a direction of its
        own from its own references, do not compare within one example: their chance is .45 to .46 where
        membership plays no part, simulated with 8 to 64 models. Mates are not compared: they answer an example less
        alike than other models do (on digits with a correlation of -.6), as its neighbours are in one or the other.
        The interval's coverage in simulations with that correlation between -.6 and .4: .90 to .99 with 4 pairs, .92 to
        .99 with 8, .94 to .99 with 32.
    """
    return risk_of(log_odds, member, pair, stratum, "log-odds are")


@measure(
    needs=("outputs.absolute_error", "design.member", "design.pair", "design.stratum"),
    unit="probability",
    range=(0.0, 1.0),
    higher="easier to recognise as a member",
    source="Carlini et al. 2022, arXiv:2112.03570; interval: Newcombe 2006, Stat. Med. 25(4), method 5",
    section="5.1",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=True,
    variant_of="membership_risk",
    variant="absolute_error",
    without=_of_errors,
)
def membership_risk_absolute_error(
    absolute_error: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""Chance that a model trained on the example comes closer to its number than one that was not; .5 is no risk.

    Formula:
        as `membership_risk`, with x[k, i] = -|f(x_i) - y_i| of model k
    Undefined:
        nan with fewer than 4 models on a side.

    Example:
        >>> m = np.array([[1], [0], [1], [0], [1], [0], [1], [0]], np.int8)
        >>> e = np.array([[0.1], [1.0], [0.2], [2.0], [1.5], [3.0], [0.4], [2.5]])
        >>> membership_risk_absolute_error(e, m, np.repeat([0, 1, 2, 3], 2)).values.round(3)
        array([0.917])

    Differs:
        As `membership_risk`. The source attacks classifiers.
    """
    return risk_of(-absolute_error, member, pair, stratum, "error is")


def risk_of(values: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: Stratum, what: str) -> PerExample:
    """Chance that the value of a model with the example is above that of one without it; `what` names the values.

    Models of one stratum are compared, each two of them counting alike.
    """
    sides = member == 1, member == 0
    counts = [side.sum(0) for side in sides]
    finite = np.isfinite(values)
    broken = (~finite & (member >= 0)).any(0)
    unit, numbers = units(pair), strata_of(stratum, member)
    known, names = np.where(finite, values, 0.0), names_of(numbers)
    one = len(names) == 1
    wins, trials, cells = np.zeros(member.shape), np.zeros(member.shape), []
    for name in names:
        within = sides if one else tuple(side & (numbers == name) for side in sides)
        won, made = _comparisons(known, within, unit)
        wins, trials = wins + won, trials + made
        cells.append([side.sum(0) for side in reversed(within)])
    lacking = too_few(np.array(cells))
    compared = trials.sum(0)
    risk = wins.sum(0) / np.where(compared, compared, np.nan)
    few = (np.minimum(*counts) < LEAST_MODELS) | lacking
    share = np.where(few | broken, 0.5, risk)
    influence = (wins - share * trials) / np.maximum(compared, 1.0)
    inflation = _pairs_widen(influence, unit)
    return per_example(
        risk,
        _newcombe(share, compared, counts, inflation),
        [
            (f"fewer than {LEAST_MODELS} models were trained on it", counts[0] < LEAST_MODELS),
            (f"fewer than {LEAST_MODELS} models were not trained on it", counts[1] < LEAST_MODELS),
            ("fewer than 2 models a side within a stratum of the design; it takes more models", lacking),
            (f"a model's {what} not finite", broken),
        ],
        counts={"members": counts[0], "nonmembers": counts[1]},
        models=len(member),
        note="the risk that the models at hand show; an attacker with the logits, or a better attack, may do better",
    )


def risk_without(
    values: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: Stratum, part: np.ndarray
) -> np.ndarray | None:
    """The values of `risk_of` with each part left out, of one stratum: models are ranked once.

    What a part's models won against all others is taken from the sum, and what they won against each other put back.
    None of several strata.
    """
    if len(names_of(strata_of(stratum, member))) > 1:
        return None
    sides, unit, finite = (member == 1, member == 0), units(pair), np.isfinite(values)
    broken = ~finite & (member >= 0)
    known = np.where(finite, values, 0.0)
    wins, trials = _comparisons(known, sides, unit)
    counts, won, made = [side.sum(0) for side in sides], wins.sum(0), trials.sum(0)
    found = np.empty((int(part.max(initial=-1)) + 1, member.shape[1]))
    for number in range(len(found)):
        of_part = part == number
        within = _comparisons(known[of_part], tuple(side[of_part] for side in sides), units(pair[of_part]))
        wins_left = won - 2 * wins[of_part].sum(0) + within[0].sum(0)
        left = made - 2 * trials[of_part].sum(0) + within[1].sum(0)
        few = np.min([count - side[of_part].sum(0) for count, side in zip(counts, sides, strict=True)], axis=0)
        undefined = (few < LEAST_MODELS) | broken[~of_part].any(0)
        found[number] = np.where(undefined, np.nan, wins_left / np.where(left, left, np.nan))
    return found


def _comparisons(
    values: np.ndarray, sides: tuple[np.ndarray, np.ndarray], unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each model the half of its comparisons with the other side that the member won, and their half number.

    A comparison counts half with each of its two models; one of mates counts with neither.
    """
    inside, outside = sides
    below = _ranks(values, inside | outside)
    below -= np.where(inside, _ranks(values, inside), _ranks(values, outside))
    trials = np.where(inside, outside.sum(0), np.where(outside, inside.sum(0), 0)).astype(np.float64)
    wins = np.where(inside, below, np.where(outside, trials - below, 0.0))
    for mates in (np.flatnonzero(unit == one) for one in range(unit.max(initial=-1) + 1)):
        for member, other in permutations(mates.tolist(), 2):
            split = inside[member] & outside[other]
            won = np.where(values[member] > values[other], 1.0, 0.5 * (values[member] == values[other]))
            for model in (member, other):
                wins[model] -= np.where(split, won, 0.0)
                trials[model] -= split
    return wins / 2, trials / 2


def _ranks(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Rank of each chosen value among those chosen, by example; what is not chosen stands behind."""
    if not len(values):
        return values.astype(np.float64)
    return np.asarray(rankdata(np.where(chosen, values, np.inf), axis=0))


def _pairs_widen(influence: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Variance of the risk with models of a unit taken together, over that of independent models; at least 1."""
    together = np.zeros((unit.max(initial=-1) + 1, influence.shape[1]))
    for model, row in enumerate(influence):
        together[unit[model]] += row
    alone = (influence**2).sum(0)
    ratio = (together**2).sum(0) / np.where(alone > 0, alone, 1.0)
    return np.maximum(np.where(alone > 0, ratio, 1.0), 1.0)


def _variance(risk: np.ndarray, compared: np.ndarray, counts: list[np.ndarray]) -> np.ndarray:
    """Hanley & McNeil's, for `compared` pairs of a member and a non-member that share models with each other."""
    number = np.maximum(compared, 1.0)
    more = (number / np.maximum(counts[0], 1) + number / np.maximum(counts[1], 1)) / 2 - 1
    shared = (1 - risk) / (2 - risk) + risk / (1 + risk)
    return np.asarray(risk * (1 - risk) * (1 + np.maximum(more, 0.0) * shared) / number)


def _newcombe(risk: np.ndarray, compared: np.ndarray, counts: list[np.ndarray], inflation: np.ndarray) -> Interval:
    """Ends at which the observed risk is just as far away as their own variance allows, by halving."""
    ends = []
    for outer in (0.0, 1.0):
        near, far = risk.copy(), np.full(risk.shape, outer)
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            allowed = ndtri(UPPER) * np.sqrt(inflation * _variance(middle, compared, counts))
            within = np.abs(risk - middle) <= allowed
            near, far = np.where(within, middle, near), np.where(within, far, middle)
        ends.append(far)
    fewest = np.minimum(*counts)
    stderr = np.sqrt(inflation * _variance(adjusted_rate(risk * fewest, fewest), compared, counts))
    return Interval(stderr, *ends)
